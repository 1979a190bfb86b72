import { describeCodec } from '../codec/describe.ts';
import type { MediaSink, PublicationInfo } from '../media/publication.ts';
import { StreamMeter } from '../observe/session-view.ts';

/** Statistics of the live publications. */
export class StreamMeters {
  readonly #byPub = new Map<string, StreamMeter>();

  of(pub: string): StreamMeter | undefined {
    return this.#byPub.get(pub);
  }

  /** The sink that measures a publication, until it ends. */
  follow({ pub }: PublicationInfo): MediaSink {
    const meter = new StreamMeter((codec, record, frame) =>
      typeof codec === 'string' ? (describeCodec(codec, record, frame) ?? {}) : {},
    );
    this.#byPub.set(pub, meter);
    return {
      onEvent: (event) => {
        meter.onEvent(event);
        if (event.kind === 'end') this.#byPub.delete(pub);
      },
    };
  }
}
