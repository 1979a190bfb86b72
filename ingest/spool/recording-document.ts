import { Fault } from '../runtime/fault.ts';
import { CheckedJson } from './checked-json.ts';
import { readGap } from './manifest.ts';
import type { RecordingGap } from './segment-entry.ts';

const FORMAT = 'headwater-recording';
const MAX_PUBLICATIONS = 100_000;
const MAX_PAGES = 100_000;
const MAX_GAPS = 1_000_000;

/** A publication of a recording, as its manifest pages say. */
export interface RecordingPublication {
  readonly epoch: number;
  readonly pub: string;
  readonly startedAt: string;
  readonly container: 'fmp4' | 'flv';
  readonly timeline: 'recording' | 'file';
  readonly sourceDtsOffset: number | undefined;
  readonly segments: number;
  readonly bytes: number;
  /** 90 kHz ticks of media in all segments. */
  readonly duration: number;
  /** Key of each page relative to the recording's folder, with the SHA-256 (hex) of its bytes. */
  readonly pages: readonly { readonly key: string; readonly sha256: string }[];
  readonly gaps: readonly RecordingGap[];
  readonly ended: { readonly cause: string; readonly at: string } | undefined;
}

/** `<path>/<recording>/recording.json`: derived from the manifest pages of all publications, and rebuildable from them. */
export interface RecordingDocument {
  readonly path: string;
  /** LiveStream uid; empty without Kubernetes. */
  readonly owner: string;
  readonly recording: string;
  /** By epoch. */
  readonly publications: readonly RecordingPublication[];
  /** No publication goes on, and everything is stored. */
  readonly closed: boolean;
  /** Key of the playlist relative to the folder; null where the container has none (FLV). */
  readonly playlist: string | null;
  /** The recordings this one continues, and is continued by. */
  readonly previous: string | null;
  readonly next: string | null;
}

/** Name of the document in the recording's folder. */
export const RECORDING_NAME = 'recording.json';

/** The document as it is stored. */
export function encodeRecording(document: RecordingDocument): Buffer {
  const { path, owner, recording, publications, closed, playlist, previous, next } = document;
  const fields = { format: FORMAT, version: 1, path, owner, recording, closed, playlist, previous, next, publications };
  return Buffer.from(`${JSON.stringify(fields, undefined, 1)}\n`);
}

/** Reads the document. @throws Fault ERR_MANIFEST_INVALID: then it is to be built anew from the pages */
export function parseRecording(bytes: Buffer): RecordingDocument {
  const json = CheckedJson.parse(bytes, 'recording');
  json.choice('format', [FORMAT]);
  if (json.integer('version') !== 1) throw new Fault('ERR_MANIFEST_INVALID', 'recording.version is not 1');
  const textOrNull = (name: string) => (json.has(name) ? json.text(name) : null);
  return {
    path: json.text('path'),
    owner: json.text('owner'),
    recording: json.text('recording'),
    publications: json.list('publications', MAX_PUBLICATIONS, readPublication),
    closed: json.boolean('closed'),
    playlist: textOrNull('playlist'),
    previous: textOrNull('previous'),
    next: textOrNull('next'),
  };
}

function readPublication(json: CheckedJson): RecordingPublication {
  const ended = json.has('ended') ? json.object('ended') : undefined;
  return {
    epoch: json.integer('epoch'),
    pub: json.text('pub'),
    startedAt: json.text('startedAt'),
    container: json.choice('container', ['fmp4', 'flv']),
    timeline: json.choice('timeline', ['recording', 'file']),
    sourceDtsOffset: json.has('sourceDtsOffset')
      ? json.integer('sourceDtsOffset', -Number.MAX_SAFE_INTEGER)
      : undefined,
    segments: json.integer('segments'),
    bytes: json.integer('bytes'),
    duration: json.integer('duration'),
    pages: json.list('pages', MAX_PAGES, (page) => ({ key: page.text('key'), sha256: page.text('sha256') })),
    gaps: json.list('gaps', MAX_GAPS, readGap),
    ended: ended ? { cause: ended.text('cause'), at: ended.text('at') } : undefined,
  };
}

/** The document with one publication's part put in the place of the one it had; `closed` follows. */
export function withPublication(document: RecordingDocument, publication: RecordingPublication): RecordingDocument {
  const others = document.publications.filter((other) => other.pub !== publication.pub);
  const publications = [...others, publication].sort((a, b) => a.epoch - b.epoch || (a.pub < b.pub ? -1 : 1));
  return { ...document, publications, closed: publications.every((each) => each.ended !== undefined) };
}
