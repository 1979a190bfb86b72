import type { SrtEncryption, SrtKeyLength, SrtPathSettings } from '../config/srt-settings.ts';

/** A passphrase that opens a path now. */
export interface SrtPassphrase {
  readonly passphrase: string;
  /** Epoch milliseconds; only a previous one has an end. */
  readonly expiresAt?: number;
  /** Which of a configured stream's credentials it belongs to. */
  readonly revision?: number;
}

/** What a path asks of SRT peers. The settings make one; a cluster's stream configs make another. */
export interface SrtPathPolicy {
  readonly encryption: SrtEncryption;
  /** Bytes that callers who name no key length are told to use. */
  readonly keyLength: SrtKeyLength;
  readonly latencyMs: number;
  /** Newest first; expired ones are left out. */
  readonly passphrases: readonly SrtPassphrase[];
}

/** Who may use which path over SRT, and how. */
export interface SrtPolicies {
  /** Undefined: nobody may use this path. */
  of(path: string): SrtPathPolicy | undefined;
}

/** The part of `srt` of the settings that says who may come in. */
export interface SrtAccessSettings {
  readonly encryption: SrtEncryption | null;
  readonly passphrase: string | null;
  readonly keyLength: SrtKeyLength;
  /** Milliseconds. */
  readonly latency: number;
  readonly paths: ReadonlyMap<string, SrtPathSettings>;
}

/** Passphrases by path, newest first. `undefined`: the file does not name the path. */
export type PassphrasesOf = (path: string) => readonly SrtPassphrase[] | undefined;

/** Every path may be used; the settings and the passphrase file say how. `now`: epoch milliseconds. */
export class SettingsSrtPolicies implements SrtPolicies {
  readonly #settings: SrtAccessSettings;
  readonly #inFile: PassphrasesOf;
  readonly #now: () => number;

  constructor(settings: SrtAccessSettings, inFile: PassphrasesOf, now: () => number = Date.now) {
    this.#settings = settings;
    this.#inFile = inFile;
    this.#now = now;
  }

  of(path: string): SrtPathPolicy {
    const { encryption, passphrase, keyLength, latency, paths } = this.#settings;
    const own = paths.get(path);
    const shared: readonly SrtPassphrase[] = passphrase === null ? [] : [{ passphrase }];
    const now = this.#now();
    const passphrases = (this.#inFile(path) ?? shared).filter(
      ({ expiresAt }) => expiresAt === undefined || expiresAt > now,
    );
    return {
      encryption: own?.encryption ?? encryption ?? (passphrases.length > 0 ? 'Required' : 'Disabled'),
      keyLength: own?.keyLength ?? keyLength,
      latencyMs: own?.latency ?? latency,
      passphrases,
    };
  }
}
