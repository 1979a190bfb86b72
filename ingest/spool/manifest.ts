import { createHash } from 'node:crypto';
import { Fault } from '../runtime/fault.ts';
import { CheckedJson } from './checked-json.ts';
import type { PublicationHeader, RecordingGap, SegmentEntry } from './segment-entry.ts';

/** Most segments of one page. */
export const PAGE_ENTRIES = 500;
/** Most of anything else that a page is believed to hold. */
const MAX_ITEMS = 100_000;
/** And of the fragments of a segment: days of media in one file. What is read is bounded in bytes, too. */
const MAX_FRAGMENTS = 4_000_000;
const PAGE_DIGITS = 5;
const FORMAT = 'headwater-manifest';

/** How an object sent in parts is checksummed by an S3 store. */
export interface ManifestParts {
  readonly partBytes: number;
  /** Base64, `-`, number of parts. */
  readonly sha256: string;
}

/** A stored segment as the manifest has it. */
export interface ManifestEntry extends SegmentEntry {
  readonly parts?: ManifestParts;
  /** SHA-256 (hex) of the publication's entry before it, as `hashEntry` has it; '' for the first. */
  readonly before: string;
}

/**
 * A page of a publication's manifest: `<path>/<recording>/pub/<epoch>-<pub>-<page>.json`. One process writes it. Only the last
 * page is open: it is written again and again until it holds PAGE_ENTRIES segments or the publication ends, then never more.
 */
export interface ManifestPage {
  readonly header: PublicationHeader;
  /** From 1. */
  readonly page: number;
  readonly open: boolean;
  /** SHA-256 (hex) of the bytes of the page before; '' for the first. */
  readonly before: string;
  readonly sourceDtsOffset: number | undefined;
  readonly entries: readonly ManifestEntry[];
  /** Declared since the page before was closed. */
  readonly gaps: readonly RecordingGap[];
  /** In the last page, once it is closed. */
  readonly ended: { readonly cause: string; readonly at: string } | undefined;
}

const GAP_CAUSES = [
  'loss',
  'stall',
  'clock',
  'disk-full',
  'disk-error',
  'overload',
  'crash',
  'damaged',
  'no-keyframe',
] as const satisfies readonly RecordingGap['cause'][];

/** Key of a page, relative to the recording's folder. */
export function pageName(epoch: number, pub: string, page: number): string {
  return `pub/${epoch}-${pub}-${String(page).padStart(PAGE_DIGITS, '0')}.json`;
}

/** SHA-256, hex: of a page's bytes, or of an entry (its JSON, keys in the order of this file). */
export function hashOf(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The one form of an entry that is written and hashed. */
function canonical(entry: ManifestEntry): ManifestEntry {
  const { seq, key, tfdt, duration, start, bytes, sha256, headerBytes, headerCrc, aligned, recovered, before } = entry;
  const { parts, fragments } = entry;
  return {
    seq,
    key,
    tfdt,
    duration,
    start,
    bytes,
    sha256,
    ...(parts ? { parts: { partBytes: parts.partBytes, sha256: parts.sha256 } } : {}),
    headerBytes,
    headerCrc,
    ...(fragments ? { fragments } : {}),
    aligned,
    recovered,
    before,
  };
}

/** What the next entry's `before` is. */
export function hashEntry(entry: ManifestEntry): string {
  return hashOf(JSON.stringify(canonical(entry)));
}

/** A page as it is stored: JSON, one segment a line. */
export function encodePage(page: ManifestPage): Buffer {
  const { header, entries, gaps, ended, sourceDtsOffset } = page;
  const head = {
    format: FORMAT,
    version: header.version,
    path: header.path,
    owner: header.owner,
    recording: header.recording,
    epoch: header.epoch,
    pub: header.pub,
    container: header.format,
    startedAt: header.startedAt,
    segmentDuration: header.segmentDuration,
    timeline: header.timeline,
    ...(sourceDtsOffset === undefined ? {} : { sourceDtsOffset }),
    page: page.page,
    open: page.open,
    before: page.before,
    ...(ended ? { ended } : {}),
    gaps,
  };
  const lines = entries.map((entry) => JSON.stringify(canonical(entry)));
  return Buffer.from(`${JSON.stringify(head).slice(0, -1)},"entries":[\n${lines.join(',\n')}\n]}\n`);
}

/** Reads a page and checks the chain of its entries. @throws Fault ERR_MANIFEST_INVALID */
export function parsePage(bytes: Buffer): ManifestPage {
  const json = CheckedJson.parse(bytes, 'page');
  json.choice('format', [FORMAT]);
  if (json.integer('version') !== 1) throw new Fault('ERR_MANIFEST_INVALID', 'page.version is not 1');
  const entries = json.list('entries', PAGE_ENTRIES, readEntry);
  for (const [index, entry] of entries.entries()) {
    if (index > 0 && entry.before !== hashEntry(entries[index - 1]!)) {
      throw new Fault('ERR_MANIFEST_INVALID', `page.entries[${index}] does not follow the entry before it`);
    }
  }
  const ended = json.has('ended') ? json.object('ended') : undefined;
  return {
    header: {
      version: 1,
      path: json.text('path'),
      owner: json.text('owner'),
      recording: json.text('recording'),
      epoch: json.integer('epoch'),
      pub: json.text('pub'),
      format: json.choice('container', ['fmp4', 'flv']),
      startedAt: json.text('startedAt'),
      segmentDuration: json.integer('segmentDuration'),
      timeline: json.choice('timeline', ['recording', 'file']),
    },
    page: json.integer('page', 1),
    open: json.boolean('open'),
    before: json.text('before'),
    sourceDtsOffset: json.has('sourceDtsOffset')
      ? json.integer('sourceDtsOffset', -Number.MAX_SAFE_INTEGER)
      : undefined,
    entries,
    gaps: json.list('gaps', MAX_ITEMS, readGap),
    ended: ended ? { cause: ended.text('cause'), at: ended.text('at') } : undefined,
  };
}

function readEntry(json: CheckedJson): ManifestEntry {
  const parts = json.has('parts') ? json.object('parts') : undefined;
  return canonical({
    seq: json.integer('seq', 1),
    key: json.text('key'),
    tfdt: json.integer('tfdt'),
    duration: json.integer('duration'),
    start: json.text('start'),
    bytes: json.integer('bytes'),
    sha256: json.text('sha256'),
    headerBytes: json.integer('headerBytes'),
    headerCrc: json.integer('headerCrc'),
    aligned: json.boolean('aligned'),
    recovered: json.boolean('recovered'),
    before: json.text('before'),
    ...(parts ? { parts: { partBytes: parts.integer('partBytes'), sha256: parts.text('sha256') } } : {}),
    ...(json.has('fragments')
      ? { fragments: json.rows('fragments', MAX_FRAGMENTS, 3) as [number, number, number][] }
      : {}),
  });
}

/** A gap as a manifest has it. @throws Fault ERR_MANIFEST_INVALID */
export function readGap(json: CheckedJson): RecordingGap {
  const from = json.integer('from', -Number.MAX_SAFE_INTEGER);
  const cause = json.choice('cause', GAP_CAUSES);
  return json.has('to') ? { from, to: json.integer('to', -Number.MAX_SAFE_INTEGER), cause } : { from, cause };
}
