import { Fault } from '../runtime/fault.ts';
import type { ObjectStore } from './object-store.ts';

/** Others may write at the same time; losing against them this often in a row is left to the next attempt. */
const MAX_ROUNDS = 5;

/** A small object that is written again and again by compare-and-swap, each version made from the one before. */
export class VersionedObject {
  readonly key: string;
  readonly #store: ObjectStore;
  readonly #contentType: string;
  #bytes: Buffer | undefined;
  #version: string | undefined;

  constructor(store: ObjectStore, key: string, contentType: string) {
    this.#store = store;
    this.key = key;
    this.#contentType = contentType;
  }

  /** What it holds as far as is known here; undefined where nothing was read or written yet. */
  get bytes(): Buffer | undefined {
    return this.#bytes;
  }

  /** Reads it; undefined where it does not exist. */
  async read(signal: AbortSignal): Promise<Buffer | undefined> {
    const found = await this.#store.read(this.key, signal);
    this.#bytes = found?.bytes;
    this.#version = found?.version;
    return this.#bytes;
  }

  /**
   * Writes what `make` makes of the present version (undefined: it does not exist, as far as is known). Writes nothing where
   * that is the same. @throws Fault of STORE_FAULTS
   */
  async update(signal: AbortSignal, make: (present: Buffer | undefined) => Buffer): Promise<Buffer> {
    for (let round = 1; ; round += 1) {
      const bytes = make(this.#bytes);
      if (this.#bytes?.equals(bytes)) return bytes;
      try {
        this.#version = await this.#store.swap(this.key, bytes, this.#contentType, this.#version, signal);
        this.#bytes = bytes;
        return bytes;
      } catch (error) {
        if (!(error instanceof Fault && error.code === 'ERR_STORE_CHANGED') || round === MAX_ROUNDS) throw error;
        await this.read(signal);
      }
    }
  }
}
