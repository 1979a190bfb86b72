import { Fault } from '../runtime/fault.ts';
import type { PublicationHeader, RecordingGap } from '../spool/segment-entry.ts';
import type { SpooledPublication } from '../spool/spooled-publication.ts';
import type { RecordingTools } from './recording-plan.ts';
import type { SegmentWriter } from './segment-writer.ts';
import type { Take } from './take.ts';
import { untilWritable } from './until-writable.ts';

/** Why nothing may be written now, as the limits of the settings say. */
export function fullFault(): Fault {
  return new Fault('ERR_SPOOL_FULL', 'the spool is full, and spool.onFull is StopRecording');
}

/** More gaps than this in one publication are a publisher's fault or malice: the last one then stays open. */
const MAX_GAPS = 10_000;

/** A publication's files: what of its takes is not closed yet, and what it takes to bring that in order. */
export class DiskSide {
  readonly #tools: RecordingTools;
  #publication: SpooledPublication | undefined;
  /** Takes whose files are not all closed. */
  readonly #takes = new Set<Take>();
  /** Writers that failed, or were given up with one that did, oldest first. */
  #failed: SegmentWriter[] = [];
  /** The newest of them that is in order again. */
  #concluded: SegmentWriter | undefined;
  #ending: Promise<unknown> = Promise.resolve();
  #gaps = 0;
  /** Source DTS at which the timeline begins. */
  origin: number | undefined;
  /** Bytes of media that wait to be written. */
  queuedBytes = 0;

  constructor(tools: RecordingTools) {
    this.#tools = tools;
  }

  get publication(): SpooledPublication | undefined {
    return this.#publication;
  }

  get hasFailed(): boolean {
    return this.#failed.length > 0;
  }

  /** Where the closed segments end on the timeline, 90 kHz ticks. */
  get closedEnd(): number {
    const last = this.#publication?.lastClosed;
    return last ? last.tfdt + last.duration : 0;
  }

  /** Where media may be missing behind the closed segments: no later than where the newest of them ends. */
  get closedThrough(): number {
    return this.#publication?.closedThrough ?? 0;
  }

  /** Makes the publication's folder, where that is not done. @throws Fault ERR_SPOOL_UNWRITABLE; the disk's errors */
  async open(header: PublicationHeader): Promise<SpooledPublication> {
    this.#publication ??= await this.#tools.spool.openPublication(header);
    if (this.origin !== undefined) await this.#publication.base(this.origin);
    return this.#publication;
  }

  begin(take: Take): void {
    this.#takes.add(take);
  }

  has(take: Take): boolean {
    return this.#takes.has(take);
  }

  /** Ends a take in order: what of it is in memory still goes to the disk. */
  end(take: Take): void {
    this.#ending = take.end().then(() => {
      if (!this.hasFailed) this.#takes.delete(take);
    });
  }

  /** The disk refused something: no take goes on, what is durable of them is kept. */
  abort(): void {
    for (const take of this.#takes) this.#failed.push(...take.abort());
    this.#takes.clear();
  }

  /** Declares media missing; both times on the timeline. */
  declare(gap: RecordingGap): void {
    this.#gaps += 1;
    if (this.#gaps > MAX_GAPS) return;
    const { from, cause } = gap;
    void this.#publication?.gap(this.#gaps === MAX_GAPS ? { from, cause } : gap);
  }

  /**
   * Tries until the disk takes everything again: at once where `isCalm`, else after a moment. False: it was given up, as `signal`
   * aborted.
   */
  async tidy(
    header: PublicationHeader,
    hasEnded: () => boolean,
    options: { readonly isCalm: boolean; readonly signal: AbortSignal; readonly onFault: (error: unknown) => void },
  ): Promise<boolean> {
    const attempt = () => this.#putInOrder(header, hasEnded);
    if (options.isCalm) {
      try {
        await attempt();
        return true;
      } catch (error) {
        options.onFault(error);
      }
    }
    return untilWritable(attempt, options);
  }

  async #putInOrder(header: PublicationHeader, hasEnded: () => boolean): Promise<void> {
    const { spool, settings } = this.#tools;
    const publication = await this.open(header);
    await this.#ending;
    for (let writer = this.#failed[0]; writer !== undefined; writer = this.#failed[0]) {
      const through = this.closedThrough;
      await writer.conclude();
      this.#failed.shift();
      // The disk took a part of this one, but not all of the one before.
      const isBehindFailed = this.#concluded?.plan.seq === writer.plan.seq - 1;
      if (isBehindFailed && writer.durableThrough !== undefined && through < writer.plan.tfdt) {
        this.declare({ from: through, to: writer.plan.tfdt, cause: 'disk-error' });
      }
      this.#concluded = writer;
    }
    await publication.flush();
    if (hasEnded()) return;
    await spool.makeRoom();
    if (spool.isStopped(header)) throw fullFault();
    if (this.queuedBytes > settings.queueBytes / 2) throw new Fault('ERR_RECORD_OVERLOAD', 'the disk is too slow');
    await publication.probe();
  }
}
