import type { StreamConfig } from '../../crds/stream-config.ts';
import type { SrtPassphrase, SrtPathPolicy, SrtPolicies } from './srt-policies.ts';

/** What configured streams ask of SRT peers; no other path may be used. */
export class StreamSrtPolicies implements SrtPolicies {
  readonly #of: (path: string) => StreamConfig | undefined;
  readonly #now: () => number;

  /** @param now wall clock, ms */
  constructor(of: (path: string) => StreamConfig | undefined, now: () => number = Date.now) {
    this.#of = of;
    this.#now = now;
  }

  of(path: string): SrtPathPolicy | undefined {
    const config = this.#of(path);
    if (config === undefined || config.state === 'deleting') return undefined;
    const { latencyMs, encryption, keyLength } = config.srt;
    return { encryption, keyLength, latencyMs, passphrases: passphrasesOf(config, this.#now()) };
  }
}

/** Those that are set: a stream that offered no SRT before has an empty one, which anybody could come with. */
function passphrasesOf({ credentials }: StreamConfig, now: number): SrtPassphrase[] {
  const { previous, revokedBelow } = credentials;
  const all: SrtPassphrase[] = [{ passphrase: credentials.srtPassphrase, revision: credentials.revision }];
  if (previous !== null && previous.revision >= revokedBelow) {
    const expiresAt = Date.parse(previous.expiresAt);
    if (expiresAt > now) all.push({ passphrase: previous.srtPassphrase, expiresAt, revision: previous.revision });
  }
  return all.filter(({ passphrase }) => passphrase !== '');
}
