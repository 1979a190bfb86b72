import { randomPub } from './cluster/random-pub.ts';
import type { MediaEvent, MetadataEvent, Track } from './media/media-event.ts';
import type { MediaSink, PublicationInfo } from './media/publication.ts';
import type { RecordingPolicy } from './record/recording-plan.ts';

/** What a {@link RecordingSwitch} needs of the recording. */
export interface SwitchHost {
  /** How the path is recorded now; undefined: not at all. */
  policyOf(info: PublicationInfo): RecordingPolicy | undefined;
  begin(info: PublicationInfo, policy: RecordingPolicy): MediaSink;
  /** The publication has ended. */
  ended(recording: RecordingSwitch): void;
}

/**
 * Records one publication as its stream says, also when that changes meanwhile: then what was recorded so far ends, and another
 * recording, with a name of its own, begins with the next keyframe. A camera that never stops need not be cut for it.
 */
export class RecordingSwitch implements MediaSink {
  readonly #host: SwitchHost;
  readonly #info: PublicationInfo;
  /** What a recording that begins now has to know, as the publisher said it. */
  readonly #configs = new Map<Track, MediaEvent>();
  readonly #trackMetadata = new Map<Track, MediaEvent>();
  #metadata: MetadataEvent | undefined;
  #sink: MediaSink | undefined;
  /** The policy in force, as text. */
  #policy: string | undefined;
  /** Of the newest recording, epoch ms. */
  #startedAt: number;

  constructor(info: PublicationInfo, host: SwitchHost) {
    this.#info = info;
    this.#host = host;
    this.#startedAt = info.startedAt.getTime();
    this.#begin(info, host.policyOf(info));
  }

  onEvent(event: MediaEvent): void {
    if (event.kind !== 'frame') this.#note(event);
    this.#sink?.onEvent(event);
    if (event.kind === 'end') this.#host.ended(this);
  }

  /** The stream may say something else now. */
  follow(): void {
    const policy = this.#host.policyOf(this.#info);
    if (textOf(policy) === this.#policy) return;
    this.#sink?.onEvent({ kind: 'end', cause: 'unpublish' });
    // Names of segments have the publication's in them, and those of this one are taken.
    // A recording is called after the second that it began in: two of one publication must not meet in one folder.
    this.#startedAt = Math.max(Date.now(), this.#startedAt + 1000);
    this.#begin({ ...this.#info, pub: randomPub(), startedAt: new Date(this.#startedAt) }, policy);
    for (const event of this.#configs.values()) this.#sink?.onEvent(event);
    for (const event of this.#trackMetadata.values()) this.#sink?.onEvent(event);
    if (this.#metadata !== undefined) this.#sink?.onEvent(this.#metadata);
  }

  #begin(info: PublicationInfo, policy: RecordingPolicy | undefined): void {
    this.#policy = textOf(policy);
    this.#sink = policy && this.#host.begin(info, policy);
  }

  #note(event: MediaEvent): void {
    switch (event.kind) {
      case 'config':
        this.#configs.set(event.track, event);
        break;
      case 'trackMetadata':
        this.#trackMetadata.set(event.track, event);
        break;
      case 'metadata':
        this.#metadata = event;
        break;
      default:
    }
  }
}

function textOf(policy: RecordingPolicy | undefined): string | undefined {
  return policy && JSON.stringify(policy);
}
