import { PUBLISH_SECRET_KEYS as KEYS, publishSecretName, SECRET_TYPES } from '../../crds/names.ts';
import type { StreamConfig } from '../../crds/stream-config.ts';

/** Where people on this machine reach the listeners: `rtmp://localhost:1935`; undefined: there is none. */
export interface ListenerUrls {
  readonly rtmp: string | undefined;
  readonly rtmps: string | undefined;
  readonly srt: string | undefined;
}

/** The Secret that the operator would make for a stream with generated keys, as YAML: URLs to publish to, and the keys in them. */
export function publishFile(config: StreamConfig, listeners: ListenerUrls): string {
  const [namespace = '', name = ''] = config.path.split('/');
  const { rtmpKey, srtPassphrase } = config.credentials;
  const data = {
    [KEYS.rtmpKey]: rtmpKey,
    [KEYS.rtmpUrl]: rtmpUrl(config, listeners),
    [KEYS.srtPassphrase]: srtPassphrase,
    [KEYS.srtUrl]: srtUrl(config, listeners),
  };
  const lines = Object.entries(data).flatMap(([key, value]) =>
    value === '' ? [] : `  ${key}: ${JSON.stringify(value)}\n`,
  );
  return `apiVersion: v1
kind: Secret
type: ${SECRET_TYPES.publish}
metadata: {name: ${publishSecretName(name)}, namespace: ${namespace}}
stringData:
${lines.join('')}`;
}

/** Of RTMPS where plain RTMP is not offered. Empty: neither is. */
function rtmpUrl({ protocols, path, credentials }: StreamConfig, { rtmp, rtmps }: ListenerUrls): string {
  const base = (protocols.includes('RTMP') && rtmp) || (protocols.includes('RTMPS') && rtmps);
  return base ? `${base}/${path}?key=${encodeURIComponent(credentials.rtmpKey)}` : '';
}

function srtUrl({ protocols, path, srt, credentials }: StreamConfig, listeners: ListenerUrls): string {
  if (!protocols.includes('SRT') || listeners.srt === undefined) return '';
  const url = `${listeners.srt}?streamid=publish:${path}`;
  if (srt.encryption === 'Disabled') return url;
  return `${url}&passphrase=${encodeURIComponent(credentials.srtPassphrase)}&pbkeylen=${srt.keyLength}`;
}
