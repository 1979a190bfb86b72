import type { EndCause } from '../media/media-event.ts';
import type { TransportSink } from '../media/publication.ts';
import { ID } from '../protocol/matroska/element.ts';
import type { ProtocolFault } from '../protocol/protocol-error.ts';
import { MatroskaToMedia } from './matroska-to-media.ts';
import { TsToMedia } from './ts-to-media.ts';

/** Bytes that tell the container. */
const MAGIC_BYTES = 4;

/** Turns what an SRT publisher sends into media events: a transport stream, or a Matroska stream, which begins with an EBML header. */
export class SrtPayloadToMedia {
  readonly #sink: TransportSink;
  readonly #options: { readonly onSkipped: (code: ProtocolFault) => void };
  #media: TsToMedia | MatroskaToMedia | undefined;
  /** Too little to tell. */
  #first = Buffer.alloc(0);

  constructor(sink: TransportSink, options: { readonly onSkipped: (code: ProtocolFault) => void }) {
    this.#sink = sink;
    this.#options = options;
  }

  /** Takes a payload whose last byte arrived at `arrivedAt` (`performance.now()`, ms). Nobody may change it until the call returns. */
  push(payload: Buffer, arrivedAt: number): void {
    if (this.#media !== undefined) {
      this.#media.push(payload, arrivedAt);
      return;
    }
    this.#first = Buffer.concat([this.#first, payload]);
    if (this.#first.length < MAGIC_BYTES) return;
    this.#media = this.#open(this.#first.readUInt32BE(0) === ID.ebml);
    this.#media.push(this.#first, arrivedAt);
    this.#first = Buffer.alloc(0);
  }

  /** `payloads` of them are missing here. Who begins with a loss has a transport stream: the other cannot be read without its beginning. */
  lost(payloads: number): void {
    this.#media ??= this.#open(false);
    this.#media.lost(payloads);
  }

  /** Sends the last event; does nothing after that. */
  end(cause: EndCause): void {
    this.#media ??= this.#open(false);
    this.#media.end(cause);
  }

  #open(isMatroska: boolean): TsToMedia | MatroskaToMedia {
    const Media = isMatroska ? MatroskaToMedia : TsToMedia;
    return new Media(this.#sink, this.#options);
  }
}
