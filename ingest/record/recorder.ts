import type { Config } from '../config/schema.ts';
import type { MediaSink, PublicationInfo } from '../media/publication.ts';
import type { Log } from '../runtime/log.ts';
import type { Meter } from '../runtime/meter.ts';
import type { RecordingFacts } from '../spool/segment-entry.ts';
import type { NameSource } from '../spool/segment-names.ts';
import type { Spool } from '../spool/spool.ts';
import { PublicationRecording } from './publication-recording.ts';
import type { RecordingPolicy, RecordingTools } from './recording-plan.ts';
import type { RecordingStatus } from './recording-status.ts';

/** What a recorder is made of. */
export interface RecorderOptions {
  readonly spool: Spool;
  readonly names: NameSource;
  readonly settings: Config['record'];
  readonly log: Log;
  readonly meter: Meter;
}

/** Of what is recorded as the settings say. */
const NO_FACTS: RecordingFacts = { owner: '' };

/** One timer for all recordings: what no longer comes must be made durable too. */
const TICK_MS = 100;

/** Records publications into the spool. Live media never waits for it. */
export class Recorder implements AsyncDisposable {
  readonly #tools: RecordingTools;
  /** By path: the newest last, as an older publication may still be closing its files. */
  readonly #recordings = new Map<string, PublicationRecording[]>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RecorderOptions) {
    this.#tools = { ...options, facts: NO_FACTS, nowMs: Date.now, monotonicMs: () => performance.now() };
  }

  /** Begins to record a publication; its events go to what is returned. `policy`: where it differs from the settings. */
  record(info: PublicationInfo, policy?: RecordingPolicy): MediaSink {
    const recording = new PublicationRecording(
      info,
      policy === undefined ? this.#tools : { ...this.#tools, ...policy },
    );
    const others = this.#recordings.get(info.path) ?? [];
    this.#recordings.set(info.path, [...others, recording]);
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref();
    void recording.done.then(() => this.#forget(recording));
    return recording;
  }

  /** Paths that are being recorded. */
  paths(): Iterable<string> {
    return this.#recordings.keys();
  }

  /** The newest recording of a path; undefined where none is being recorded or closed. */
  status(path: string): RecordingStatus | undefined {
    return this.#recordings.get(path)?.at(-1)?.status;
  }

  /** All of a path's recordings whose files are not all closed, oldest first. */
  statuses(path: string): RecordingStatus[] {
    return (this.#recordings.get(path) ?? []).map((recording) => recording.status);
  }

  /** Ends all recordings and closes their files; a disk that refuses is asked once more. */
  async stop(): Promise<void> {
    await Promise.all([...this.#recordings.values()].flat().map((recording) => recording.stop()));
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #tick(): void {
    for (const recordings of this.#recordings.values()) for (const recording of recordings) recording.onTick();
  }

  #forget(recording: PublicationRecording): void {
    const { path } = recording.info;
    const others = (this.#recordings.get(path) ?? []).filter((other) => other !== recording);
    if (others.length > 0) this.#recordings.set(path, others);
    else this.#recordings.delete(path);
  }
}
