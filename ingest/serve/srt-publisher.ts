import { SrtPayloadToMedia } from '../adapt/srt-payload-to-media.ts';
import type { EndCause } from '../media/media-event.ts';
import type { CloseReason } from '../protocol/srt/connection-handler.ts';
import type { Publication } from '../relay/publication.ts';
import type { ReplaceCause } from '../relay/stream.ts';
import type { Log } from '../runtime/log.ts';
import type { Meter } from '../runtime/meter.ts';
import type { SrtRole, SrtSession } from './srt-session.ts';

/** How a connection that ended by itself ends its publication. */
const CAUSES: Readonly<Record<CloseReason, EndCause>> = {
  shutdown: 'unpublish',
  idle: 'lost',
  protocol: 'error',
  local: 'error',
};

/** What a publisher needs around it. */
export interface SrtPublisherOptions {
  readonly session: SrtSession;
  readonly publication: Publication;
  /** Milliseconds without media until it is closed. */
  readonly mediaTimeout: number;
  readonly log: Log;
  readonly meter: Meter;
  /** µs. */
  readonly now: () => number;
}

/** An SRT peer that publishes: what it sends becomes media of its publication. */
export class SrtPublisher implements SrtRole {
  readonly #options: SrtPublisherOptions;
  #media: SrtPayloadToMedia | undefined;

  constructor(options: SrtPublisherOptions) {
    this.#options = options;
    this.#media = new SrtPayloadToMedia(options.publication, {
      onSkipped: (code) => {
        options.meter.count('headwater_skipped_messages_total', code);
        options.log.debug({ code }, 'message skipped');
      },
    });
  }

  onPayload(payload: Buffer, now: number): void {
    this.#media?.push(payload, now / 1000);
  }

  onDrop(packets: number): void {
    this.#media?.lost(packets);
  }

  onSendDrop(): void {}

  onClosed(reason: CloseReason): void {
    this.#end(CAUSES[reason]);
  }

  tick(): void {}

  sweep(now: number): void {
    const { publication, mediaTimeout, log, meter } = this.#options;
    if (this.#media === undefined || now - publication.lastMediaAt <= mediaTimeout) return;
    const code = 'ERR_PUBLISHER_NO_MEDIA';
    log.warn({ code }, 'connection closed');
    meter.count('headwater_connection_faults_total', code);
    this.#close('timeout');
  }

  shutdown(): void {
    this.#end('shutdown');
  }

  /** Another publisher took the path; its publication has ended. */
  replaced(cause: ReplaceCause): void {
    this.#options.log.info({ cause }, 'publisher replaced');
    this.#close(cause);
  }

  #close(cause: EndCause): void {
    this.#end(cause);
    this.#options.session.connection.close(this.#options.now());
  }

  #end(cause: EndCause): void {
    const media = this.#media;
    this.#media = undefined;
    media?.end(cause);
  }
}
