import { Fault } from '../runtime/fault.ts';
import type { JournalLine, PublicationHeader, RecordingGap, SegmentEntry } from './segment-entry.ts';

/** A segment as the journal knows it. */
export interface SpooledSegment {
  /** With the key it was stored under, once it is. */
  readonly entry: SegmentEntry;
  /** Its name beside the journal. */
  readonly file: string;
  readonly state: 'pending' | 'stored' | 'dropped';
}

/** Everything a publication's journal says: what replaying its lines gives. Reading code sees one consistent state after each line. */
export class PublicationState {
  readonly header: PublicationHeader;
  readonly segments = new Map<number, SpooledSegment>();
  readonly gaps: RecordingGap[] = [];
  readonly #saidGaps = new Set<string>();
  /** The one with the highest number, dropped or not. */
  lastClosed: SegmentEntry | undefined;
  /** Time on the timeline behind which media may be missing after it. */
  closedThrough = 0;
  sourceDtsOffset: number | undefined;
  ended: { readonly cause: string; readonly at: string } | undefined;

  constructor(header: PublicationHeader) {
    this.header = header;
  }

  /** Replays a journal. @throws Fault ERR_SPOOL_JOURNAL when its first line is missing. */
  static replay(lines: readonly JournalLine[]): PublicationState {
    const [open, ...rest] = lines;
    if (open?.t !== 'open') throw new Fault('ERR_SPOOL_JOURNAL', 'the journal does not begin with the publication');
    const { t: _, ...header } = open;
    const state = new PublicationState(header);
    for (const line of rest) state.apply(line);
    return state;
  }

  apply(line: JournalLine): void {
    switch (line.t) {
      case 'open':
        return;
      case 'base':
        this.sourceDtsOffset = line.sourceDtsOffset;
        return;
      case 'closed':
        this.segments.set(line.entry.seq, { entry: line.entry, file: line.file, state: 'pending' });
        if (line.entry.seq >= (this.lastClosed?.seq ?? 0)) {
          this.lastClosed = line.entry;
          this.closedThrough = line.through ?? line.entry.tfdt + line.entry.duration;
        }
        for (const gap of line.gaps ?? []) this.#declare(gap);
        return;
      case 'gap':
        this.#declare(line.gap);
        return;
      case 'stored': {
        const segment = this.segments.get(line.seq);
        if (segment?.state !== 'pending') return;
        this.segments.set(line.seq, { ...segment, entry: { ...segment.entry, key: line.key }, state: 'stored' });
        return;
      }
      case 'dropped': {
        const segment = this.segments.get(line.seq);
        if (segment?.state !== 'pending') return;
        this.segments.set(line.seq, { ...segment, state: 'dropped' });
        this.#declare(line.gap);
        return;
      }
      case 'end':
        this.ended = { cause: line.cause, at: line.at };
        return;
    }
  }

  /** Each gap once: work that was killed and done again declares it again. */
  #declare(gap: RecordingGap): void {
    const text = JSON.stringify([gap.from, gap.to ?? null, gap.cause]);
    if (this.#saidGaps.has(text)) return;
    this.#saidGaps.add(text);
    this.gaps.push(gap);
  }
}
