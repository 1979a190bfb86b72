import type { EndCause } from '../media/media-event.ts';
import type { TransportSink } from '../media/publication.ts';
import type { ProtocolFault } from '../protocol/protocol-error.ts';
import { TsToMedia } from './ts-to-media.ts';

/** Turns what an SRT publisher sends into media events. */
export class SrtPayloadToMedia {
  readonly #media: TsToMedia;

  constructor(sink: TransportSink, options: { readonly onSkipped: (code: ProtocolFault) => void }) {
    this.#media = new TsToMedia(sink, options);
  }

  /** Takes a payload whose last byte arrived at `arrivedAt` (`performance.now()`, ms). Nobody may change it until the call returns. */
  push(payload: Buffer, arrivedAt: number): void {
    this.#media.push(payload, arrivedAt);
  }

  /** `payloads` of them are missing here. */
  lost(payloads: number): void {
    this.#media.lost(payloads);
  }

  /** Sends the last event; does nothing after that. */
  end(cause: EndCause): void {
    this.#media.end(cause);
  }
}
