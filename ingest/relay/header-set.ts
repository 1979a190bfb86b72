import { type FrameEvent, isVideoTrack } from '../media/media-event.ts';
import type { Headers, SentEvent } from './batch.ts';

type HeaderEvent = Exclude<SentEvent, FrameEvent>;

/** The newest of each header, in the order players want: metadata, then for video HDR metadata before the sequence header, then audio. */
export class HeaderSet {
  readonly #byKey = new Map<string, HeaderEvent>();
  #snapshot: Headers | undefined = [];

  /** An immutable list: the same one until something is set. */
  get snapshot(): Headers {
    this.#snapshot ??= [...this.#byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, event]) => event);
    return this.#snapshot;
  }

  /** Puts `event` in the place of the one it follows. */
  set(event: HeaderEvent): void {
    const key = keyOf(event);
    if (key === undefined) return;
    this.#byKey.set(key, event);
    this.#snapshot = undefined;
  }
}

/** Sorts as the headers are sent. Undefined for what a late joiner does not need. */
function keyOf(event: HeaderEvent): string | undefined {
  switch (event.kind) {
    case 'metadata':
      return '0';
    case 'config':
    case 'trackMetadata': {
      const kind = isVideoTrack(event.track) ? '1' : '2';
      const track = String(event.track).padStart(3, '0');
      return `${kind}-${track}-${event.kind === 'trackMetadata' ? 'a' : 'b'}`;
    }
    case 'opaque':
      return undefined;
  }
}
