import type { CloseReason } from '../protocol/srt/connection-handler.ts';
import type { Seat } from '../relay/hub.ts';
import type { ViewerEnd } from '../relay/viewer.ts';
import type { Log } from '../runtime/log.ts';
import type { Meter } from '../runtime/meter.ts';
import type { SrtRole, SrtSession } from './srt-session.ts';
import type { SrtSink } from './srt-sink.ts';

/** What a viewer needs around it. */
export interface SrtViewerOptions {
  readonly session: SrtSession;
  readonly seat: Seat;
  readonly sink: SrtSink;
  /** Milliseconds that the viewer holds back what it receives. */
  readonly latencyMs: number;
  readonly log: Log;
  readonly meter: Meter;
}

/** An SRT peer that watches: what the relay writes for it goes out as messages. */
export class SrtViewer implements SrtRole {
  readonly #options: SrtViewerOptions;
  /** When the goodbye follows, µs: the viewer is to have played what it was sent. Undefined: not yet. */
  #leaveAt: number | undefined;
  #ended = false;

  constructor(options: SrtViewerOptions) {
    this.#options = options;
  }

  /** No media follows. */
  ended(reason: ViewerEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    const { log, meter, sink } = this.#options;
    log.info({ reason }, 'viewer ended');
    if (reason !== 'stalled') return;
    const code = 'ERR_VIEWER_STALLED';
    meter.count('headwater_connection_faults_total', code);
    log.warn({ code }, 'connection closed');
    sink.clear();
  }

  /** Viewers have nothing to say. */
  onPayload(): void {}

  onDrop(): void {}

  /** What follows is of no use without what was dropped: it goes on at the next keyframe. */
  onSendDrop(): void {
    this.#options.sink.clear();
    this.#options.seat.viewer.skip();
  }

  onClosed(_reason: CloseReason): void {
    this.#options.seat.leave();
  }

  tick(now: number): void {
    const { sink, session, latencyMs } = this.#options;
    sink.tick(now);
    if (!this.#ended || sink.writableLength > 0) return;
    // Libraries drop what is not due yet when the goodbye comes.
    this.#leaveAt ??= now + latencyMs * 1000;
    if (now >= this.#leaveAt) session.connection.close(now);
  }

  sweep(): void {}

  shutdown(): void {
    this.#options.sink.clear();
  }
}
