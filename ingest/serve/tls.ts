import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { Fault } from '../runtime/fault.ts';
import type { Log } from '../runtime/log.ts';

/** How often the files are looked at. Reading them is cheaper than to trust a watcher with the symlink swaps of mounted Secrets. */
const POLL_MS = 5_000;

/** Certificate chain and private key, PEM. */
export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Reads certificate and key, and reads them anew when they change. A pair that does not fit is reported, and the one in force stays. */
export class TlsFiles {
  readonly #certFile: string;
  readonly #keyFile: string;
  readonly #log: Log;
  #fingerprint = '';
  #timer: NodeJS.Timeout | undefined;

  constructor(files: { readonly cert: string; readonly key: string }, log: Log) {
    this.#certFile = files.cert;
    this.#keyFile = files.key;
    this.#log = log;
  }

  /**
   * The pair as it is now.
   * @throws Fault `ERR_TLS_FILES` where a file cannot be read, or they do not belong together
   */
  async load(): Promise<TlsMaterial> {
    try {
      const material = { cert: await readFile(this.#certFile), key: await readFile(this.#keyFile) };
      createSecureContext(material);
      this.#fingerprint = fingerprint(material);
      return material;
    } catch (cause) {
      const reason = (cause as Error).message;
      throw new Fault('ERR_TLS_FILES', `${this.#certFile} and ${this.#keyFile}: ${reason}`, { cause });
    }
  }

  /** Calls `onChange` with each new pair until `signal` aborts. What is wrong with the files is said once, not at each look. */
  watch(signal: AbortSignal, onChange: (material: TlsMaterial) => void, pollMs = POLL_MS): void {
    let complaint = '';
    const poll = async (): Promise<void> => {
      const before = this.#fingerprint;
      try {
        const material = await this.load();
        if (this.#fingerprint !== before && !signal.aborted) {
          onChange(material);
          this.#log.info({ cert: this.#certFile }, 'TLS certificate reloaded');
        }
        complaint = '';
      } catch (error) {
        const reason = (error as Error).message;
        if (reason !== complaint && !signal.aborted)
          this.#log.warn({ code: 'ERR_TLS_FILES', reason }, 'TLS certificate not reloaded');
        complaint = reason;
      }
      if (!signal.aborted) this.#timer = setTimeout(poll, pollMs).unref();
    };
    this.#timer = setTimeout(poll, pollMs).unref();
    signal.addEventListener('abort', () => clearTimeout(this.#timer), { once: true });
  }
}

function fingerprint({ cert, key }: TlsMaterial): string {
  return createHash('sha256').update(cert).update('\0').update(key).digest('hex');
}
