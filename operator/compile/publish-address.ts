import type { StreamConfig } from '../../crds/stream-config.ts';

/** What is read of a Service. */
export interface ServiceView {
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: {
    readonly type?: string;
    readonly ports?: readonly { readonly name?: string; readonly port: number; readonly nodePort?: number }[];
  };
  readonly status?: {
    readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string; readonly hostname?: string }[] };
  };
}

/** What the pool's people said about how it is reached from outside. */
export interface PublicSettings {
  readonly host: string | null;
  readonly ports: { readonly rtmp: number | null; readonly rtmps: number | null; readonly srt: number | null };
}

/** A host, an IPv6 address in brackets, and a port. */
export interface PublishAddress {
  readonly host: string;
  readonly port: number;
}

/** Where the pool takes publishers; undefined: not offered, or its Service is not there yet. */
export interface PublishAddresses {
  readonly rtmp: PublishAddress | undefined;
  readonly rtmps: PublishAddress | undefined;
  readonly srt: PublishAddress | undefined;
}

/** The pool's Services. */
export interface PoolServices {
  readonly tcp: ServiceView | undefined;
  readonly udp: ServiceView | undefined;
}

/** Host: what people said, else the load balancer's, else the Service's own name. Port: what people said, else the node's, else the Service's. */
export function publishAddresses(services: PoolServices, settings: PublicSettings): PublishAddresses {
  const of = (service: ServiceView | undefined, name: keyof PublicSettings['ports']): PublishAddress | undefined =>
    service && addressOf(service, name, settings.host, settings.ports[name]);
  return { rtmp: of(services.tcp, 'rtmp'), rtmps: of(services.tcp, 'rtmps'), srt: of(services.udp, 'srt') };
}

/** One port of a Service, by its name. */
export function addressOf(
  service: ServiceView,
  portName: string,
  host: string | null,
  publicPort: number | null,
): PublishAddress | undefined {
  const port = service.spec?.ports?.find(({ name }) => name === portName);
  if (port === undefined) return undefined;
  const balancer = service.status?.loadBalancer?.ingress?.[0];
  const { name, namespace = 'default' } = service.metadata;
  const isNodePort = service.spec?.type === 'NodePort';
  return {
    host: bracketed(host ?? balancer?.hostname ?? balancer?.ip ?? `${name}.${namespace}.svc`),
    port: publicPort ?? (isNodePort ? (port.nodePort ?? port.port) : port.port),
  };
}

const bracketed = (host: string): string => (host.includes(':') && !host.startsWith('[') ? `[${host}]` : host);

/** URLs to publish to. `''`: not offered. */
export interface PublishUrls {
  readonly rtmp: string;
  readonly rtmps: string;
  readonly srt: string;
}

/** Without keys, for everyone who may see the LiveStream. */
export function publicUrls(config: StreamConfig, addresses: PublishAddresses): PublishUrls {
  const offers = (protocol: StreamConfig['protocols'][number]): boolean => config.protocols.includes(protocol);
  const { rtmp, rtmps, srt } = addresses;
  // A dedicated port needs no stream id: that is what it is for.
  const id = config.srt.dedicatedPort === null ? `?streamid=publish:${config.path}` : '';
  return {
    rtmp: offers('RTMP') && rtmp ? `rtmp://${rtmp.host}:${rtmp.port}/${config.path}` : '',
    rtmps: offers('RTMPS') && rtmps ? `rtmps://${rtmps.host}:${rtmps.port}/${config.path}` : '',
    srt: offers('SRT') && srt ? `srt://${srt.host}:${srt.port}${id}` : '',
  };
}

/** With keys, for the people who publish. `rtmp` is RTMPS where plain RTMP is not offered. */
export function secretUrls(
  config: StreamConfig,
  addresses: PublishAddresses,
  keys: { readonly rtmpKey: string; readonly srtPassphrase: string },
): { readonly rtmp: string; readonly srt: string } {
  const { rtmp, rtmps, srt } = publicUrls(config, addresses);
  const plain = rtmp || rtmps;
  return {
    rtmp: plain === '' ? '' : `${plain}?key=${encodeURIComponent(keys.rtmpKey)}`,
    srt: srt === '' || config.srt.encryption === 'Disabled' ? srt : withPassphrase(srt, config, keys.srtPassphrase),
  };
}

function withPassphrase(url: string, { srt }: StreamConfig, passphrase: string): string {
  const query = `passphrase=${encodeURIComponent(passphrase)}&pbkeylen=${srt.keyLength}`;
  return `${url}${url.includes('?') ? '&' : '?'}${query}`;
}
