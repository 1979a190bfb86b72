import type { EndCause } from '../media/media-event.ts';
import { Fault } from '../runtime/fault.ts';
import type { Log } from '../runtime/log.ts';
import { type Disk, errorCode, removeFile } from './disk.ts';
import type { Journal } from './journal.ts';
import { NumberedList } from './numbered-list.ts';
import { type Account, PartFile } from './part-file.ts';
import type { PublicationState } from './publication-state.ts';
import type { ClosedFacts, JournalLine, PublicationHeader, RecordingGap, SegmentEntry } from './segment-entry.ts';
import { localName } from './segment-names.ts';
import { replaceByLines, SETTLED_SUFFIX } from './settled-file.ts';
import type { PendingSegment, QueuedPublication } from './spool-queue.ts';

/** What a publication in the spool needs of the spool around it. */
export interface SpoolHost {
  readonly disk: Disk;
  readonly log: Log;
  readonly account: Account;
  changed(publication: SpooledPublication): void;
  salvage(publication: SpooledPublication, seq: number): Promise<void>;
  finished(publication: SpooledPublication): Promise<void>;
}

/** A journal's file name in its publication's folder. */
export const JOURNAL_NAME = 'journal';
/** Written to see whether the disk takes anything: as much as a second of a small stream. */
export const PROBE_NAME = '.probe';
const PROBE_BYTES = 64 * 1024;
/** Set aside because its checksum is wrong. */
export const DAMAGED_SUFFIX = '.damaged';

/** A local file that goes when all lines are durable. */
interface Removable {
  readonly bytes: number;
  readonly seq: number;
  /** It gave its room already, and holds its lines. */
  isReplaced: boolean;
}

/**
 * One publication in the spool: recorded into by the recorder, emptied by the uploader. Memory is first, the journal follows
 * in the same order: while the disk takes no line (ENOSPC), lines wait in memory and are written as soon as it does.
 */
export class SpooledPublication implements QueuedPublication {
  /** Absolute path of its folder. */
  readonly folder: string;
  readonly #host: SpoolHost;
  readonly #journal: Journal;
  readonly #state: PublicationState;
  /** Names in the folder that are taken. */
  readonly #names: Set<string>;
  /** Applied, not yet durable. */
  readonly #unwritten: JournalLine[] = [];
  /** By name. */
  readonly #removable = new Map<string, Removable>();
  #flushing: Promise<void> | undefined;
  #isFinished = false;
  /** All that are not dropped, and those of them that wait. */
  readonly #entries = new NumberedList<SegmentEntry>();
  readonly #pending = new NumberedList<PendingSegment>();

  constructor(
    host: SpoolHost,
    folder: string,
    journal: Journal,
    state: PublicationState,
    names: Iterable<string> = [],
  ) {
    this.#host = host;
    this.folder = folder;
    this.#journal = journal;
    this.#state = state;
    this.#names = new Set(names).add(JOURNAL_NAME);
    for (const seq of state.segments.keys()) this.#follow(seq);
  }

  get header(): PublicationHeader {
    return this.#state.header;
  }

  get sourceDtsOffset(): number | undefined {
    return this.#state.sourceDtsOffset;
  }

  get entries(): readonly SegmentEntry[] {
    return this.#entries.values;
  }

  get pending(): readonly PendingSegment[] {
    return this.#pending.values;
  }

  get gaps(): readonly RecordingGap[] {
    return this.#state.gaps;
  }

  get ended(): { readonly cause: string; readonly at: string } | undefined {
    return this.#state.ended;
  }

  /** All segments up to this one are stored or dropped. */
  get storedThrough(): number {
    const [oldest] = this.pending;
    return oldest ? oldest.entry.seq - 1 : (this.entries.at(-1)?.seq ?? 0);
  }

  /** Whether anything waits for the disk to take it. */
  get hasUnwritten(): boolean {
    return this.#unwritten.length > 0 || this.#removable.size > 0;
  }

  /** The newest segment that was closed, whatever became of it since. */
  get lastClosed(): SegmentEntry | undefined {
    return this.#state.lastClosed;
  }

  /** Time on the timeline behind which media may be missing after that segment. */
  get closedThrough(): number {
    return this.#state.closedThrough;
  }

  isStored(seq: number): boolean {
    return this.#state.segments.get(seq)?.state === 'stored';
  }

  /** Whether the segment was given up and declared missing. */
  isDropped(seq: number): boolean {
    return this.#state.segments.get(seq)?.state === 'dropped';
  }

  /** Absolute path of a segment's local file, whether it still exists or not. */
  fileOf(seq: number): string | undefined {
    const segment = this.#state.segments.get(seq);
    return segment && `${this.folder}/${segment.file}`;
  }

  /** Names of the local files of closed segments. */
  localFiles(): ReadonlySet<string> {
    return new Set([...this.#state.segments.values()].map((segment) => segment.file));
  }

  /** Absolute paths of the local files that the journal says are stored or dropped; most of them are gone. */
  settledFiles(): string[] {
    const settled = [...this.#state.segments.values()].filter((segment) => segment.state !== 'pending');
    return settled.map((segment) => `${this.folder}/${segment.file}`);
  }

  /** Starts the local file of a segment. @throws the disk's errors */
  async createPart(key: string, seq: number): Promise<PartFile> {
    let name = localName(key, seq, (taken) => this.#names.has(taken));
    for (let n = 2; this.#names.has(name); n += 1) name = localName(key, seq, () => true).replace('~', `~${n}~`);
    const part = await PartFile.create(this.#host.disk, `${this.folder}/${name}`, this.#host.account);
    this.#names.add(name);
    return part;
  }

  /** Removes a part in which nothing was acknowledged. @throws the disk's errors */
  async discardPart(part: PartFile): Promise<void> {
    await part.abandon();
    this.#names.delete(part.path.slice(this.folder.length + 1));
  }

  /** Whether files can be written here: writes a small one, and removes it. @throws the disk's errors */
  async probe(): Promise<void> {
    const { disk } = this.#host;
    const path = `${this.folder}/${PROBE_NAME}`;
    await removeFile(disk, path);
    const file = await disk.create(path);
    try {
      await file.appendDurably([Buffer.alloc(PROBE_BYTES)]);
    } finally {
      await file.close();
      await removeFile(disk, path);
    }
  }

  /** SHA-256 of a finished part, hex, off the event loop. @throws the disk's errors */
  hash(part: PartFile): Promise<string> {
    return this.#host.disk.sha256(part.path);
  }

  /** Source DTS = tfdt + `sourceDtsOffset`: said once, before the first segment is closed. */
  base(sourceDtsOffset: number): Promise<void> {
    if (this.#state.sourceDtsOffset !== undefined) return Promise.resolve();
    return this.write({ t: 'base', sourceDtsOffset });
  }

  /** A finished file joins the queue. Resolves when the journal has been tried: a disk that refuses the line delays nothing. */
  async closed(file: string, entry: SegmentEntry, facts: ClosedFacts = {}): Promise<void> {
    const name = file.slice(this.folder.length + 1);
    this.#names.add(name);
    await this.write({ t: 'closed', file: name, entry, ...facts });
  }

  gap(gap: RecordingGap): Promise<void> {
    return this.write({ t: 'gap', gap });
  }

  end(cause: EndCause | 'crash', at: Date): Promise<void> {
    return this.write({ t: 'end', cause, at: at.toISOString() });
  }

  /** Gives up a pending segment for room: declared missing, then deleted. */
  async drop(seq: number): Promise<void> {
    const segment = this.#state.segments.get(seq);
    if (segment?.state !== 'pending') return;
    const { entry } = segment;
    const gap = { from: entry.tfdt, to: entry.tfdt + entry.duration, cause: 'disk-full' } as const;
    this.#removable.set(segment.file, { bytes: entry.bytes, seq, isReplaced: false });
    await this.write({ t: 'dropped', seq, cause: 'disk-full', gap });
  }

  /** Durable in the journal, then the local file goes; where the disk refuses the line, both are tried again by `flush`. */
  async markStored(seq: number, key: string): Promise<void> {
    const segment = this.#state.segments.get(seq);
    if (segment === undefined) throw new Fault('ERR_SPOOL_SEGMENT', `there is no segment ${seq} in ${this.folder}`);
    if (segment.state !== 'pending') return;
    this.#removable.set(segment.file, { bytes: segment.entry.bytes, seq, isReplaced: false });
    await this.write({ t: 'stored', seq, key });
  }

  /** Takes over the lines that the settled file of `file` holds in its `bytes`, where the journal lacks them; then it goes. */
  async restore(file: string, bytes: number, lines: readonly JournalLine[]): Promise<void> {
    const last = lines.at(-1);
    if (last?.t !== 'stored' && last?.t !== 'dropped') return;
    const { seq } = last;
    if (this.isStored(seq) || this.isDropped(seq)) return;
    this.#removable.set(file, { bytes, seq, isReplaced: true });
    await this.write(...lines);
  }

  async sha256(seq: number): Promise<string> {
    const path = this.fileOf(seq);
    if (path === undefined) throw new Fault('ERR_SPOOL_SEGMENT', `there is no segment ${seq} in ${this.folder}`);
    return this.#host.disk.sha256(path);
  }

  salvage(seq: number): Promise<void> {
    return this.#host.salvage(this, seq);
  }

  async finish(): Promise<void> {
    if (this.#isFinished) return;
    await this.flush();
    await this.#journal.close();
    await removeFile(this.#host.disk, this.#journal.path);
    this.#isFinished = true;
    this.#host.account(-this.#journal.bytes);
    await this.#host.finished(this);
  }

  /** Closes the journal file; what could not be written is lost with the process, and recovery declares it. */
  async release(): Promise<void> {
    await this.flush().catch(() => {});
    await this.#journal.close();
  }

  /** Applies lines and tries to make them durable; lines the disk refuses wait for the next `flush`. Never throws. */
  async write(...lines: readonly JournalLine[]): Promise<void> {
    this.#apply(...lines);
    await this.flush().catch((error: unknown) => {
      const fields = { stream_key: this.header.path, code: errorCode(error), waiting: this.#unwritten.length };
      this.#host.log.warn(fields, 'journal line delayed');
    });
    this.#host.changed(this);
  }

  /** Writes what waits and deletes what is stored. @throws the disk's errors */
  async flush(): Promise<void> {
    while (this.#flushing) await this.#flushing.catch(() => {});
    if (!this.hasUnwritten || this.#isFinished) return;
    this.#flushing = this.#flush();
    try {
      await this.#flushing;
    } finally {
      this.#flushing = undefined;
    }
  }

  async #flush(): Promise<void> {
    const removable = [...this.#removable];
    try {
      await this.#append();
    } catch (error) {
      if (errorCode(error) !== 'ENOSPC' || removable.length === 0) throw error;
      for (const [file, each] of removable) await this.#makeRoom(file, each);
      await this.#append();
    }
    for (const [file, { bytes }] of removable) {
      await removeFile(this.#host.disk, `${this.folder}/${file}`);
      await removeFile(this.#host.disk, `${this.folder}/${file}${SETTLED_SUFFIX}`);
      this.#removable.delete(file);
      this.#names.delete(file);
      this.#host.account(-bytes);
    }
  }

  async #append(): Promise<void> {
    if (this.#unwritten.length === 0) return;
    const before = this.#journal.bytes;
    const lines = [...this.#unwritten];
    await this.#journal.append(lines);
    this.#unwritten.splice(0, lines.length);
    this.#host.account(this.#journal.bytes - before);
  }

  #apply(...lines: readonly JournalLine[]): void {
    for (const line of lines) {
      this.#state.apply(line);
      const seq = seqOf(line);
      if (seq !== undefined) this.#follow(seq);
    }
    this.#unwritten.push(...lines);
  }

  /** The disk is too full for the line that would allow to delete a file: what waits to be said of its segment takes its place. */
  async #makeRoom(file: string, removable: Removable): Promise<void> {
    if (removable.isReplaced) return;
    const lines = this.#unwritten.filter((line) => line.t === 'base' || seqOf(line) === removable.seq);
    await replaceByLines(this.#host.disk, `${this.folder}/${file}`, lines);
    removable.isReplaced = true;
  }

  /** A segment may have changed. */
  #follow(seq: number): void {
    const segment = this.#state.segments.get(seq);
    if (segment === undefined) return;
    const { entry, file, state } = segment;
    if (state === 'dropped') this.#entries.delete(seq);
    else this.#entries.set(seq, entry);
    const closedAt = this.#pending.get(seq)?.closedAt ?? Date.now();
    if (state === 'pending') this.#pending.set(seq, { entry, file: `${this.folder}/${file}`, closedAt });
    else this.#pending.delete(seq);
  }
}

/** The segment that a line is about. */
function seqOf(line: JournalLine): number | undefined {
  if (line.t === 'closed') return line.entry.seq;
  return line.t === 'stored' || line.t === 'dropped' ? line.seq : undefined;
}
