import { setImmediate as nextTurn } from 'node:timers/promises';
import { RtmpToMedia } from '../../ingest/adapt/rtmp-to-media.ts';
import { DEFAULTS } from '../../ingest/config/defaults.ts';
import type { Config } from '../../ingest/config/schema.ts';
import type { EndCause } from '../../ingest/media/media-event.ts';
import type { MediaSink } from '../../ingest/media/publication.ts';
import type { MediaMessage } from '../../ingest/protocol/rtmp/media-message.ts';
import { Recorder } from '../../ingest/record/recorder.ts';
import { NO_METER } from '../../ingest/runtime/meter.ts';
import type { Disk } from '../../ingest/spool/disk.ts';
import { Layout } from '../../ingest/spool/layout.ts';
import type { DurableMark } from '../../ingest/spool/segment-entry.ts';
import { SegmentNames } from '../../ingest/spool/segment-names.ts';
import { Spool } from '../../ingest/spool/spool.ts';
import { keptLog } from './spooled-segments.ts';

/** `record` of the settings, all defaults but these. */
export function recordSettings(changes: Partial<Config['record']> = {}): Config['record'] {
  return { ...DEFAULTS.record, ...changes };
}

/** A spool and a recorder on a disk of the test's. Disposal stops both. */
export class RecordingBench implements AsyncDisposable {
  readonly spool: Spool;
  readonly recorder: Recorder;
  readonly log: ReturnType<typeof keptLog>;
  #lastEpoch = 1_776_000_000;

  private constructor(spool: Spool, recorder: Recorder, log: ReturnType<typeof keptLog>) {
    this.spool = spool;
    this.recorder = recorder;
    this.log = log;
  }

  static async open(
    dir: string,
    {
      disk,
      record = {},
      spool: spoolChanges = {},
    }: {
      readonly disk?: Disk;
      readonly record?: Partial<Config['record']>;
      readonly spool?: Partial<Config['spool']>;
    } = {},
  ): Promise<RecordingBench> {
    const settings = recordSettings(record);
    const log = keptLog();
    const names = new SegmentNames(new Layout(settings));
    const shared = { names, log, meter: NO_METER };
    const spoolSettings = { ...DEFAULTS.spool, ...spoolChanges, dir };
    const spool = await Spool.open({ ...shared, settings: spoolSettings, ...(disk && { disk }) });
    return new RecordingBench(spool, new Recorder({ ...shared, spool, settings }), log);
  }

  /** A publisher on a path: media events, as an RTMP connection would give them, go to the recorder. */
  publish(
    path = 'live/test',
    pub?: string,
  ): { readonly sink: MediaSink; readonly adapt: RtmpToMedia; readonly pub: string } {
    this.#lastEpoch += 1;
    const id = pub ?? `p${String(this.#lastEpoch).slice(-7)}`;
    const startedAt = new Date(this.#lastEpoch * 1000);
    const sink = this.recorder.record({
      path,
      pub: id,
      epoch: this.#lastEpoch,
      startedAt,
      protocol: 'rtmp',
      connId: 'c000001',
    });
    const onSkipped = (code: string) => {
      throw new Error(`skipped: ${code}`);
    };
    return { sink, adapt: new RtmpToMedia(sink, { onSkipped }), pub: id };
  }

  /** Publishes messages as fast as the disk takes them, then ends. */
  async record(
    messages: Iterable<MediaMessage>,
    { path = 'live/test', cause = 'unpublish' as EndCause } = {},
  ): Promise<void> {
    const { adapt } = this.publish(path);
    await feed(adapt, messages);
    adapt.end(cause);
    while (this.recorder.status(path)) await nextTurn();
  }

  /** What is acknowledged, by path. */
  durable(): ReadonlyMap<string, DurableMark> {
    const marks = new Map<string, DurableMark>();
    for (const path of this.recorder.paths()) {
      const mark = this.recorder.status(path)?.durable;
      if (mark) marks.set(path, mark);
    }
    return marks;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.recorder.stop();
    await this.spool[Symbol.asyncDispose]();
  }
}

/** Pushes messages, giving way to the disk after each few. */
export async function feed(adapt: RtmpToMedia, messages: Iterable<MediaMessage>): Promise<void> {
  let count = 0;
  for (const message of messages) {
    adapt.push(message, performance.now());
    count += 1;
    if (count % 4 === 0) await nextTurn();
  }
}

/** Messages of a time span, ms, of an endless source. */
export function* until(messages: Iterable<MediaMessage>, endMs: number): Generator<MediaMessage> {
  for (const message of messages) {
    if (message.timestamp >= endMs) return;
    yield message;
  }
}
