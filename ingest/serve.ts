import { setTimeout as delay } from 'node:timers/promises';
import { SrtPassphraseFile } from './auth/srt-passphrase-file.ts';
import { SettingsSrtPolicies } from './auth/srt-policies.ts';
import { baseUrl, type OpenPorts } from './banner.ts';
import type { Config } from './config/schema.ts';
import type { PublicationInfo } from './media/publication.ts';
import { LifecycleFeed } from './observe/lifecycle-feed.ts';
import { Metrics } from './observe/metrics.ts';
import { PublicationEvents } from './observe/publication-events.ts';
import { podReporting } from './pod-reporting.ts';
import { Recording } from './recording.ts';
import { Hub } from './relay/hub.ts';
import type { Log } from './runtime/log.ts';
import { AddressLimits } from './serve/address-limits.ts';
import { apiRoute } from './serve/api.ts';
import { apiToken } from './serve/api-token.ts';
import { DedicatedPorts } from './serve/dedicated-ports.ts';
import { EventStream } from './serve/event-stream.ts';
import { flvRoute } from './serve/flv-route.ts';
import { healthRoute } from './serve/health.ts';
import { HttpServer } from './serve/http-server.ts';
import { PublicationLog } from './serve/publication-log.ts';
import { RtmpServer } from './serve/rtmp-server.ts';
import { SrtServer } from './serve/srt-server.ts';
import { StreamMeters } from './serve/stream-meters.ts';
import { StreamViews } from './serve/stream-view.ts';
import { TlsFiles } from './serve/tls.ts';
import { Streams } from './streams.ts';
import { Janitor } from './upload/janitor.ts';

/** A server that runs. */
export interface RunningServer extends AsyncDisposable {
  readonly ports: OpenPorts & { readonly metrics?: number };
  /** Ends in good order: publishers and viewers are told, segments finalised, uploads flushed within `shutdown.flush`. */
  stop(): Promise<void>;
}

/** How long viewers and publishers are given to take what was written to them before their connections are cut, ms. */
const GOODBYE_MS = 300;

/**
 * Starts the whole data path. Disposal cuts everything at once; what was on disk stays there.
 * @throws Fault ERR_LISTEN, ERR_TLS_FILES, ERR_SRT_PASSPHRASE_FILE, ERR_SPOOL_LOCKED, ERR_CONFIG_…
 */
export async function serve(config: Config, log: Log, version: string): Promise<RunningServer> {
  await using stack = new AsyncDisposableStack();
  const closing = new AbortController();
  stack.defer(() => closing.abort());
  const metrics = stack.use(new Metrics());
  const streams = new Streams(config, log);
  const recording = streams.recordings && stack.use(await Recording.open(config, streams.recordings, log, metrics));
  stack.use(streams);
  await streams.load({ hasBacklog: (uid) => recording?.hasBacklog(uid) ?? false, meter: metrics });
  const { authorizer, ownership } = streams;
  for (const { path, epoch } of recording?.headers ?? []) ownership.seen(path, epoch);
  const meters = new StreamMeters();
  const feed = new LifecycleFeed();
  const hub = new Hub({
    settings: { ...config.relay, ...config.play, chunkSize: config.rtmp.chunkSize, viewer: config.viewer },
    pathSettings: (path) => streams.settingsOf(path),
    claim: (path) => ownership.claim(path),
    release: (info, at) => ownership.release({ info, lastMediaAt: Date.now() - (performance.now() - at) }),
    taps: [
      (info) => new PublicationLog(log.child({ conn_id: info.connId, stream_key: info.path }), metrics),
      (info) => meters.follow(info),
      (info) => new PublicationEvents(info, feed),
      ...(recording === undefined ? [] : [(info: PublicationInfo) => recording.record(info)]),
    ],
    log,
    meter: metrics,
    onViewer: (path, change, viewers) => {
      if (change === 'joined') feed.publish({ type: 'viewer-joined', path, viewers });
      else
        feed.publish({ type: change === 'stalled' ? 'viewer-evicted' : 'viewer-left', path, viewers, reason: change });
    },
  });
  stack.defer(() => hub.close());
  metrics.gauge('headwater_streams', () => [...hub.streams.values()].filter((stream) => stream.publication).length);
  metrics.gauge('headwater_viewers', () => hub.viewersByProtocol());

  const addresses = new AddressLimits(config.limits, log, metrics);
  const rtmp = stack.use(
    new RtmpServer({
      hub,
      authorizer,
      limits: config.limits,
      addresses,
      chunkSize: config.rtmp.chunkSize,
      log,
      meter: metrics,
    }),
  );
  const passphrases = await srtPassphrases(config.srt.passphraseFile, log, closing.signal);
  const srt = stack.use(
    new SrtServer({
      hub,
      authorizer,
      policies: streams.srtPolicies ?? new SettingsSrtPolicies(config.srt, (path) => passphrases?.of(path)),
      settings: config.srt,
      limits: config.limits,
      waitForPublisher: config.play.waitForPublisher,
      addresses,
      log,
      meter: metrics,
    }),
  );
  metrics.gauge('headwater_connections', () => rtmp.connectionCount + srt.connectionCount);
  const views = new StreamViews(hub, (pub) => meters.of(pub), srt, recording);
  const events = stack.use(new EventStream(feed));
  const routes = [
    apiRoute(views, events, apiToken(config.http.apiTokenFile, log)),
    flvRoute(hub, authorizer, log, metrics),
  ];
  const http = stack.use(new HttpServer(routes, { log, meter: metrics, limits: config.limits, addresses }));
  let isReady = false;
  const health = {
    isReady: () => isReady && streams.isLoaded && !streams.isDraining,
    metrics: async () => ({ contentType: metrics.contentType, body: await metrics.text() }),
  };
  const ownPorts = stack.use(dedicatedPorts(srt, config, log));
  const reporting = podReporting(streams, { config, hub, feed, meters, recording, dedicatedPorts: ownPorts });
  if (reporting !== undefined) stack.use(reporting.reports);
  const probes = stack.use(
    new HttpServer([healthRoute(health), ...(reporting?.routes ?? [])], { log, meter: metrics, limits: config.limits }),
  );

  const ports: { -readonly [K in keyof RunningServer['ports']]: number } = {};
  if (config.rtmp.listen) ports.rtmp = await rtmp.listen(config.rtmp.listen);
  const { listen, cert, key } = config.rtmps;
  if (listen && cert && key) {
    const files = new TlsFiles({ cert, key }, log);
    const opened = await rtmp.listenTls(listen, await files.load());
    files.watch(closing.signal, opened.renew);
    ports.rtmps = opened.port;
  }
  if (config.srt.listen) ports.srt = await srt.listen(config.srt.listen);
  for (const { listen: own, path } of config.srt.ports) await srt.listen(own, path);
  if (streams.pod !== undefined) followDedicatedPorts(streams, ownPorts);
  if (config.http.listen) ports.http = await http.listen(config.http.listen, 'HTTP');
  if (config.metrics.listen) ports.metrics = await probes.listen(config.metrics.listen, 'metrics');
  const listeners = {
    rtmp: baseUrl('rtmp', config.rtmp.listen, ports.rtmp),
    rtmps: baseUrl('rtmps', config.rtmps.listen, ports.rtmps),
    srt: baseUrl('srt', config.srt.listen, ports.srt),
  };
  streams.start({ hub, listeners, internalPort: ports.metrics, onStores: () => void recording?.refresh() });
  isReady = true;
  log.info({ version, ...ports }, 'server started');
  recording?.start(feed);
  if (recording !== undefined && streams.isConfigured) {
    const { tombstones: deletions } = streams;
    const isLive = (uid: string) =>
      [...hub.streams.values()].some((each) => each.publication?.info.grant?.owner === uid);
    stack.use(
      new Janitor({
        ...{ deletions, log, meter: metrics },
        isBusy: (uid) => isLive(uid) || recording.hasBacklog(uid),
        open: (access) => recording.store(access),
      }),
    );
  }

  const running = stack.move();
  return {
    ports,
    stop: async () => {
      log.info({}, 'server stopping');
      isReady = false;
      await streams.drain();
      reporting?.reports.flush();
      rtmp.stopAccepting();
      srt.stopAccepting();
      hub.close();
      rtmp.shutdown();
      srt.shutdown();
      await Promise.all([recording?.stop(), delay(GOODBYE_MS)]);
      await streams.end();
      await running.disposeAsync();
      log.info({}, 'server stopped');
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Ports of single streams, on the addresses of SRT's own. */
function dedicatedPorts(srt: SrtServer, { srt: { listen } }: Config, log: Log): DedicatedPorts {
  const host = listen?.host;
  const open = (port: number, path: string) => srt.listen({ host, port }, path);
  return new DedicatedPorts({ listen: open, close: (path) => srt.close(path) }, log);
}

function followDedicatedPorts({ set }: Streams, ports: DedicatedPorts): void {
  set.onChange(({ path, config }) => ports.follow(path, config));
  for (const { config } of set.streams) if (config !== undefined) ports.follow(config.path, config);
}

/** The passphrases of the file, read anew when it changes; undefined where there is none. @throws Fault ERR_SRT_PASSPHRASE_FILE */
async function srtPassphrases(
  file: string | null,
  log: Log,
  signal: AbortSignal,
): Promise<SrtPassphraseFile | undefined> {
  if (file === null) return undefined;
  const passphrases = new SrtPassphraseFile(file, log);
  await passphrases.load();
  passphrases.watch(signal);
  return passphrases;
}
