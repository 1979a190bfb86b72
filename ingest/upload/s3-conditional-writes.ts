import { Fault } from '../runtime/fault.ts';
import type { Log } from '../runtime/log.ts';

/** Headers of a put. */
export interface Condition {
  readonly IfNoneMatch?: '*';
  readonly IfMatch?: string;
}

/**
 * What is known of a store's conditional writes (`If-None-Match`, `If-Match`): RFC 9110 §13.1. Some stores refuse them, some
 * ignore them; only one that has answered 412 is believed.
 */
export class ConditionalWrites {
  readonly #mode: 'auto' | 'required' | 'off';
  readonly #log: Log;
  #state: 'unknown' | 'proven' | 'missing' = 'unknown';

  constructor(mode: 'auto' | 'required' | 'off', log: Log) {
    this.#mode = mode;
    this.#log = log;
    if (mode === 'off') this.#state = 'missing';
  }

  /** The store has refused a write because of its condition: it will do so again. */
  get isProven(): boolean {
    return this.#state === 'proven';
  }

  /** Whether conditions are sent, but nothing is known of their effect yet. */
  get isUnknown(): boolean {
    return this.#state === 'unknown';
  }

  /** The condition to send: none where the store has none. `version` undefined: the object must not exist. */
  of(version: string | undefined): Condition {
    if (this.#state === 'missing') return {};
    return version === undefined ? { IfNoneMatch: '*' } : { IfMatch: version };
  }

  /** A write was refused with 412. */
  prove(): void {
    if (this.#state === 'unknown') this.#state = 'proven';
  }

  /** A condition was refused as not implemented, or had no effect. @throws Fault ERR_STORE_UNSUPPORTED where it is required */
  deny(how: string): void {
    if (this.#mode === 'required') {
      throw new Fault(
        'ERR_STORE_UNSUPPORTED',
        `the store ${how} conditional writes, and conditionalWrites is "required"`,
      );
    }
    if (this.#state === 'missing') return;
    this.#state = 'missing';
    this.#log.warn({ how }, 'store has no conditional writes: names are checked before each write instead');
  }
}
