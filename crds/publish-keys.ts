import type { LiveStreamSpec, PROTOCOLS } from './live-stream.ts';
import type { PoolDefaults } from './pool-defaults.ts';

/** Keys as one person has them. Empty: none, because no protocol asks for it. */
export interface PublishKeys {
  readonly rtmpKey: string;
  readonly srtPassphrase: string;
}

type Protocol = (typeof PROTOCOLS)[number];

/** Letters that need no escape in a URL: the key is its query. */
const RTMP_KEY = /^[A-Za-z0-9._~-]{8,128}$/;
/** SRT draft §3.2.2: 10 to 79 bytes; printable, since people paste it. */
const SRT_PASSPHRASE = /^[\x21-\x7e]{10,79}$/;

/**
 * Keys from the Secret of a person, decoded.
 * @returns the keys, or a sentence that names the Secret's key and says what to write
 */
export function readPublishKeys(
  data: Readonly<Record<string, string>>,
  protocols: readonly Protocol[],
): PublishKeys | { readonly problem: string } {
  const wantsRtmp = protocols.includes('RTMP') || protocols.includes('RTMPS');
  const wantsSrt = protocols.includes('SRT');
  const { rtmpKey = '', srtPassphrase = '' } = data;
  if (wantsRtmp && !RTMP_KEY.test(rtmpKey)) {
    return {
      problem: `rtmpKey ${rtmpKey === '' ? 'is missing' : 'cannot be used'}: write 8 to 128 of A-Z a-z 0-9 . _ ~ -`,
    };
  }
  if (wantsSrt && !SRT_PASSPHRASE.test(srtPassphrase)) {
    return {
      problem: `srtPassphrase ${srtPassphrase === '' ? 'is missing' : 'cannot be used'}: write 10 to 79 printable ASCII characters without spaces`,
    };
  }
  return { rtmpKey: wantsRtmp ? rtmpKey : '', srtPassphrase: wantsSrt ? srtPassphrase : '' };
}

/** Protocols that a stream offers, in the pool's order. */
export const protocolsOf = ({ ingest }: LiveStreamSpec, pool: PoolDefaults): readonly Protocol[] =>
  pool.protocols.filter((protocol) => ingest?.protocols?.includes(protocol) ?? true);
