import type { Batch, Encoding, Headers } from './batch.ts';

/** The part of a socket that a viewer needs. `writableLength` is what the kernel has not taken yet. */
export interface ByteSink {
  readonly writableLength: number;
  /** `onTaken` is called later, when the kernel has taken these bytes. */
  write(bytes: Buffer, onTaken?: () => void): unknown;
}

/** Bounds of what may wait for one viewer. */
export interface ViewerSettings {
  readonly queueBytes: number;
  /** Milliseconds of media. */
  readonly queueDuration: number;
  /** Milliseconds without progress until it is closed. */
  readonly evictAfter: number;
}

/** Why a viewer was let go. */
export type ViewerEnd = 'ended' | 'stalled' | 'not-found' | 'shutdown';

/** What the connection of a viewer is told. Must not throw. */
export interface ViewerHandler {
  /** The path has a publisher: headers and media follow. */
  onReady(): void;
  /** The headers that a decoder needs are sent next: at the start, and again when they changed while it was behind. */
  onHeaders?(headers: Headers): void;
  /** It was too slow and was moved on to a keyframe; `frames` were left out. */
  onCut?(frames: number): void;
  /** No media follows. The connection is the handler's to close. */
  onEnd(reason: ViewerEnd): void;
}

/** What is handed to the kernel at once: each piece that is taken is progress which can be seen. Whole SRT messages of seven TS packets. */
const PIECE_BYTES = 199 * 7 * 188;
/** What one viewer is handed at most at one tick, so that a burst for one joiner does not hold up the rest. */
const BURST_BYTES = 4 * 1024 * 1024;

/**
 * One viewer: a cursor into the path's batches. It owns no media. Beyond its bounds it loses frames up to a keyframe, never a header or part
 * of a message; it is judged by what its kernel takes, and by nothing else.
 */
export class Viewer {
  readonly encoding: Encoding;
  readonly handler: ViewerHandler;
  readonly #sink: ByteSink;
  readonly #settings: ViewerSettings;
  /** The batch to send next, or the one sent last where `#sentWhole`. Undefined while it waits for a keyframe. */
  #cursor: Batch | undefined;
  #sentWhole = false;
  /** Nothing of the present stretch of batches has been sent. */
  #isStarting = false;
  /** What is left of the batch under way: nothing may come between, and it holds no other batch back. */
  #rest: Buffer | undefined;
  /** What its decoder has been told. */
  #headers: Headers | undefined;
  #control: Buffer[] = [];
  #lastProgress: number;
  /** The burst at its start is not held against it: its backlog then, until it has caught up. */
  #graceBytes = 0;
  #graceMs = 0;
  /** Frames of the path that it got or was cut past; -1 before the first. */
  #sentFrames = -1;

  constructor(
    sink: ByteSink,
    encoding: Encoding,
    handler: ViewerHandler,
    options: { readonly settings: ViewerSettings; readonly now: number },
  ) {
    this.#sink = sink;
    this.encoding = encoding;
    this.handler = handler;
    this.#settings = options.settings;
    this.#lastProgress = options.now;
  }

  /** It has no place in the media yet, or has lost it: {@link startAt} gives it one. */
  get waitsForStart(): boolean {
    return this.#cursor === undefined;
  }

  /** The kernel has taken all that there was for it. */
  get isCurrent(): boolean {
    if (this.#sink.writableLength > 0 || this.#rest !== undefined) return false;
    if (this.#cursor === undefined) return true;
    return this.#sentWhole ? this.#cursor.next?.closed !== true : !this.#cursor.closed;
  }

  /** Begins (again) at a batch that a decoder can start with. `newest` is the end of what there is. */
  startAt(batch: Batch, newest: Batch): void {
    if (this.#sentFrames >= 0) {
      this.handler.onCut?.(batch.startFrames - this.#sentFrames);
      this.#sentFrames = batch.startFrames;
    }
    this.#cursor = batch;
    this.#sentWhole = false;
    this.#isStarting = true;
    this.#graceBytes = this.#bytesUpTo(newest) - this.#bytesUpTo(batch);
    this.#graceMs = Math.max(0, newest.lastMs - batch.firstMs);
  }

  /** A protocol message of its own (ping, status): written now, unless a batch is partly written. */
  sendControl(bytes: Buffer): void {
    if (this.#rest === undefined) this.#sink.write(bytes);
    else this.#control.push(bytes);
  }

  /**
   * Hands over what the kernel will take. `restart` is the newest batch a decoder can start with.
   * Returns `stalled` when the kernel took nothing for `evictAfter`.
   */
  advance(now: number, newest: Batch, restart: Batch | undefined): 'ok' | 'stalled' {
    if (this.#sink.writableLength > 0) {
      this.#cutWhenTooFarBehind(newest, restart);
      return now - this.#lastProgress > this.#settings.evictAfter ? 'stalled' : 'ok';
    }
    this.#lastProgress = now;
    this.#send();
    return 'ok';
  }

  /** What was sent last has not arrived: nothing that follows is of use to it before the next keyframe. For sinks that lose what they took. */
  skip(): void {
    this.#cursor = undefined;
    this.#rest = undefined;
  }

  /** Gives up its place for good. What is partly written is finished: whatever follows on the connection has to be readable. */
  stop(): void {
    this.#cursor = undefined;
    if (this.#rest === undefined) return;
    this.#sink.write(this.#rest);
    this.#rest = undefined;
    this.#sendHeldControl();
  }

  /** The kernel took what a lagging viewer was handed last: no need to wait for the next tick. */
  readonly #goOn = (): void => {
    if (this.#sink.writableLength > 0) return;
    this.#lastProgress = performance.now();
    this.#send();
  };

  #send(): void {
    let budget = BURST_BYTES;
    while (budget > 0 && this.#sink.writableLength === 0) {
      if (this.#rest !== undefined) {
        budget -= this.#sendPiece(this.#rest);
        continue;
      }
      const batch = this.#next();
      if (batch === undefined) {
        this.#graceBytes = 0;
        this.#graceMs = 0;
        return;
      }
      this.#sendOpening(batch);
      this.#sentWhole = true;
      this.#headers = batch.headersAfter;
      this.#sentFrames = batch.endFrames;
      budget -= this.#sendPiece(batch.encoded(this.encoding));
    }
  }

  /** The first batch that is not wholly sent, once it is closed. */
  #next(): Batch | undefined {
    const cursor = this.#cursor;
    if (cursor === undefined || !cursor.closed) return undefined;
    if (!this.#sentWhole) return cursor;
    if (cursor.next?.closed !== true) return undefined;
    this.#cursor = cursor.next;
    this.#sentWhole = false;
    return this.#cursor;
  }

  /** Writes the first piece of `bytes`, keeps the rest. Returns the bytes handed over. */
  #sendPiece(bytes: Buffer): number {
    if (bytes.length > PIECE_BYTES) {
      this.#sink.write(bytes.subarray(0, PIECE_BYTES), this.#goOn);
      this.#rest = bytes.subarray(PIECE_BYTES);
      return PIECE_BYTES;
    }
    const lags = this.#cursor?.next?.closed === true;
    if (bytes.length > 0) this.#sink.write(bytes, lags ? this.#goOn : undefined);
    this.#rest = undefined;
    this.#sendHeldControl();
    return bytes.length;
  }

  #sendHeldControl(): void {
    for (const control of this.#control) this.#sink.write(control);
    if (this.#control.length > 0) this.#control = [];
  }

  /** What its decoder needs before the batch: a transport stream brings that with it, but for where one starts in the middle. */
  #sendOpening(batch: Batch): void {
    const hasChanged = batch.headers !== this.#headers;
    const isNeeded = this.encoding === 'ts' ? this.#isStarting : hasChanged;
    this.#isStarting = false;
    if (hasChanged) {
      this.#headers = batch.headers;
      this.handler.onHeaders?.(batch.headers);
    }
    const opening = isNeeded ? batch.opening(this.encoding) : undefined;
    if (opening !== undefined && opening.length > 0) this.#sink.write(opening);
  }

  #bytesUpTo({ endBytes, endTransportBytes }: Batch): number {
    return this.encoding === 'ts' ? endTransportBytes : endBytes;
  }

  #cutWhenTooFarBehind(newest: Batch, restart: Batch | undefined): void {
    const at = this.#cursor;
    if (at === undefined) return;
    const { queueBytes, queueDuration } = this.#settings;
    const tooMuch = this.#bytesUpTo(newest) - this.#bytesUpTo(at) - this.#graceBytes > queueBytes;
    const tooLong = newest.lastMs - at.lastMs - this.#graceMs > queueDuration;
    if (!tooMuch && !tooLong) return;
    const helps =
      restart !== undefined &&
      restart.seq > at.seq &&
      this.#bytesUpTo(newest) - this.#bytesUpTo(restart) <= queueBytes &&
      newest.lastMs - restart.firstMs <= queueDuration;
    if (helps) this.startAt(restart, newest);
    else this.#cursor = undefined;
  }
}
