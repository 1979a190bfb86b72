import { randomBytes } from 'node:crypto';
import type { PROTOCOLS } from '../../crds/live-stream.ts';
import type { PublishKeys } from '../../crds/publish-keys.ts';

type Protocol = (typeof PROTOCOLS)[number];

/** 192 bits each, in letters that need no escape in a URL or a shell. */
const KEY_BYTES = 24;

const randomKey = (): string => randomBytes(KEY_BYTES).toString('base64url');

/** New keys, from the system's CSPRNG. */
export const makeKeys = (): PublishKeys => ({ rtmpKey: randomKey(), srtPassphrase: randomKey() });

/** `keys`, with those taken from `source` that a protocol asks for and that are not there yet. Those in force never change. */
export function withMissing(keys: PublishKeys, protocols: readonly Protocol[], source: () => PublishKeys): PublishKeys {
  const lacksRtmp = keys.rtmpKey === '' && (protocols.includes('RTMP') || protocols.includes('RTMPS'));
  const lacksSrt = keys.srtPassphrase === '' && protocols.includes('SRT');
  if (!lacksRtmp && !lacksSrt) return keys;
  const made = source();
  return {
    rtmpKey: lacksRtmp ? made.rtmpKey : keys.rtmpKey,
    srtPassphrase: lacksSrt ? made.srtPassphrase : keys.srtPassphrase,
  };
}
