import { createHash, randomBytes } from 'node:crypto';
import { DEFAULTS } from '../../ingest/config/defaults.ts';
import type { Config } from '../../ingest/config/schema.ts';
import type { Log } from '../../ingest/runtime/log.ts';
import { NO_METER } from '../../ingest/runtime/meter.ts';
import { NODE_DISK } from '../../ingest/spool/disk.ts';
import { Layout, type LayoutOptions, recordingId } from '../../ingest/spool/layout.ts';
import type { PublicationHeader, SegmentEntry } from '../../ingest/spool/segment-entry.ts';
import { SegmentNames } from '../../ingest/spool/segment-names.ts';
import { Spool } from '../../ingest/spool/spool.ts';
import type { SpooledPublication } from '../../ingest/spool/spooled-publication.ts';

/** A line of the log: level, fixed words, fields. */
export interface Logged {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A log that keeps its lines. */
export function keptLog(lines: Logged[] = [], bound: object = {}): Log & { readonly lines: Logged[] } {
  const write = (level: Logged['level']) => (fields: object, message: string) => {
    lines.push({ level, message, fields: { ...bound, ...fields } });
  };
  return {
    lines,
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (bindings) => keptLog(lines, { ...bound, ...bindings }),
  };
}

/** `record.layout` and so on, standard unless told otherwise. */
export function layoutWith(options: Partial<LayoutOptions> = {}): Layout {
  return new Layout({ layout: 'standard', segmentPattern: null, segmentUtc: true, segmentDuration: 6000, ...options });
}

/** `upload` of the settings, with short waits. */
export function uploadSettings(changes: Partial<Config['upload']> = {}): Config['upload'] {
  return { ...DEFAULTS.upload, retryMin: 2, retryMax: 20, indexInterval: 10, ...changes };
}

/** The real spool in a folder of the test's. */
export function openSpool(dir: string, layout = layoutWith(), log: Log = keptLog(), disk = NODE_DISK): Promise<Spool> {
  const settings = { ...DEFAULTS.spool, dir, maxBytes: null };
  return Spool.open({ settings, names: new SegmentNames(layout), log, meter: NO_METER, disk });
}

let publications = 0;

/** The header of a publication that no other test has. */
export function headerOf(changes: Partial<PublicationHeader> = {}): PublicationHeader {
  publications += 1;
  const startedAt = new Date(Date.UTC(2026, 3, 19, 13, 0, 0));
  const epoch = Math.floor(startedAt.getTime() / 1000) + publications;
  return {
    version: 1,
    path: 'live/test',
    owner: '',
    recording: recordingId(startedAt, epoch),
    epoch,
    pub: `pub${String(publications).padStart(5, '2')}`,
    format: 'fmp4',
    startedAt: startedAt.toISOString(),
    segmentDuration: 6000,
    timeline: 'recording',
    ...changes,
  };
}

/** Closes a segment of random bytes in the spool, 6 s long, and returns what is said of it. */
export async function spoolSegment(
  publication: SpooledPublication,
  seq: number,
  options: { readonly key?: string; readonly bytes?: Buffer; readonly layout?: Layout; readonly number?: number } = {},
): Promise<SegmentEntry> {
  const { header } = publication;
  const bytes = options.bytes ?? randomBytes(2000 + seq);
  const start = new Date(Date.parse(header.startedAt) + (seq - 1) * 6000);
  const place = { ...header, seq, start };
  const key = options.key ?? (options.layout ?? layoutWith()).key(place, options.number ?? seq);
  const part = await publication.createPart(key, seq);
  await part.commit([bytes]);
  await part.finish();
  const entry: SegmentEntry = {
    seq,
    key,
    tfdt: (seq - 1) * 540_000,
    duration: 540_000,
    start: start.toISOString(),
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    headerBytes: 800,
    headerCrc: 1,
    aligned: true,
    recovered: false,
  };
  await publication.closed(part.path, entry);
  return entry;
}
