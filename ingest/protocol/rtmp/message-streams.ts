import { ProtocolError } from '../protocol-error.ts';

/** Message streams one connection may hold at a time. Clients use one; those of OBS for several links a few. */
const MAX_STREAMS = 32;

/** The message streams a client created and did not delete: the smallest free id from 1 on is the next, so that the first is always 1. */
export class MessageStreams {
  readonly #ids = new Set<number>();

  /** @throws ProtocolError ERR_RTMP_STREAMS. */
  create(): number {
    if (this.#ids.size >= MAX_STREAMS) {
      throw new ProtocolError('ERR_RTMP_STREAMS', `more than ${MAX_STREAMS} message streams on one connection`);
    }
    let id = 1;
    while (this.#ids.has(id)) id += 1;
    this.#ids.add(id);
    return id;
  }

  delete(id: number): void {
    this.#ids.delete(id);
  }
}
