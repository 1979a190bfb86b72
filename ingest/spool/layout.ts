import type { Milliseconds } from '../config/defaults.ts';
import { encodeComponent, encodePath } from './key-encoding.ts';
import { type PatternToken, parsePattern, type TimeField, warningsOf } from './segment-pattern.ts';

/** How segments are named: `record.layout`, `record.segmentPattern`, `record.segmentUtc`, `record.segmentDuration`. */
export interface LayoutOptions {
  readonly layout: 'standard' | 'flat';
  /** Replaces the layout's names; null where it is not set. */
  readonly segmentPattern: string | null;
  /** Times in names are UTC; else the machine's time zone. */
  readonly segmentUtc: boolean;
  /** 0: one file per publication. */
  readonly segmentDuration: Milliseconds;
}

/** Which segment a name is wanted for. */
export interface SegmentPlace {
  readonly path: string;
  readonly recording: string;
  readonly epoch: number;
  readonly pub: string;
  readonly seq: number;
  /** Wall clock of the segment's first frame. */
  readonly start: Date;
  readonly format: 'fmp4' | 'flv';
  /** The stream's own pattern (null: none); absent: the one of the settings. */
  readonly segmentPattern?: string | null;
  /** The stream's own store; absent: the one of the settings. */
  readonly store?: { readonly url: string; readonly endpoint: string | null };
}

/** The names one pattern yields for a segment whatever its number: where they lie and how to read the number of each. */
export interface NumberedNames {
  /** Folder under the store's prefix, '' or ending in '/', whose entries carry the number. */
  readonly folder: string;
  /** The same for all segments whose numbers must differ. */
  readonly group: string;
  /** The least number the segment may get. */
  readonly least: number;
  /** Numbers go on after the highest in the folder; else the least one that is free is taken. */
  readonly goesOn: boolean;
  /** The number an entry of the folder has; undefined where the pattern does not yield that name. */
  numberOf(entry: string): number | undefined;
}

/** Digits of `<seq>` in the standard names: they sort by time for the first million segments of a publication. */
const SEQ_DIGITS = 6;

const EXTENSION = { fmp4: '.mp4', flv: '.flv' } as const;

function pad(value: number, width: number): string {
  return String(value).padStart(width, '0');
}

/** `YYYYMMDDTHHMMSSZ-<epoch>`: the id of the recording that begins with a publication, from when it was accepted. */
export function recordingId(startedAt: Date, epoch: number): string {
  const iso = startedAt.toISOString();
  return `${iso.slice(0, 19).replace(/[-:]/g, '')}Z-${epoch}`;
}

/** `<path>/<recording>/`, path encoded: where manifests and playlist of a recording lie, whatever its segments are called. */
export function recordingFolder(path: string, recording: string): string {
  return `${encodePath(path)}/${recording}/`;
}

function timeText(field: TimeField, at: Date, utc: boolean): string {
  const shifted = utc ? at : new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
  const digits = shifted.toISOString().replace(/\D/g, '');
  switch (field) {
    case 'T':
      return `${digits.slice(0, 8)}_${digits.slice(8, 14)}`;
    case 'Y':
      return digits.slice(0, 4);
    case 'm':
      return digits.slice(4, 6);
    case 'D':
      return digits.slice(6, 8);
    case 'H':
      return digits.slice(8, 10);
    case 'M':
      return digits.slice(10, 12);
    case 'S':
      return digits.slice(12, 14);
  }
}

/** A token with all filled in but the number. */
type Piece =
  | { readonly kind: 'text' | 'time'; readonly text: string }
  | { readonly kind: 'number'; readonly width: number }
  /** The number a pattern without one gets where its name exists: nothing, `-2`, `-3` … */
  | { readonly kind: 'suffix' };

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

/** Gives segments their keys under the store's prefix. Pure: what exists already is told to it. */
export class Layout {
  /** Sentences for the log at start. */
  readonly warnings: readonly string[];
  readonly #tokens: readonly PatternToken[] | undefined;
  readonly #utc: boolean;
  readonly #counts: boolean;
  /** Numbers of a user's pattern go on over publications; those of `flat` count within one, as times tell publications apart. */
  readonly #goesOn: boolean;

  /** @throws Fault ERR_CONFIG_PATTERN where the pattern can't be used. */
  constructor(options: LayoutOptions) {
    const flat = options.segmentDuration === 0 ? '%s_%T' : '%s_%T_seg%03d';
    const pattern = options.segmentPattern ?? (options.layout === 'flat' ? flat : null);
    this.#tokens = pattern === null ? undefined : parsePattern(pattern);
    this.#utc = options.segmentUtc;
    this.#counts = this.#tokens?.some((t) => t.kind === 'number') ?? false;
    this.#goesOn = options.segmentPattern !== null;
    this.warnings = pattern === null ? [] : warningsOf(pattern);
  }

  /** Whether keys hold `<pub>` and `<seq>`, so that none can ever exist already. */
  get isUnique(): boolean {
    return this.#tokens === undefined;
  }

  /** The key of a segment. `number` (from 1) is not looked at in the standard layout. */
  key(place: SegmentPlace, number: number): string {
    if (!this.#tokens) {
      const name = `seg${place.epoch}-${place.pub}-${pad(place.seq, SEQ_DIGITS)}`;
      return recordingFolder(place.path, place.recording) + name + EXTENSION[place.format];
    }
    return (
      this.#pieces(this.#tokens, place)
        .map((piece) => drawn(piece, number))
        .join('') + EXTENSION[place.format]
    );
  }

  /** Where to look for names that the pattern may have given before; undefined where there can be none. */
  names(place: SegmentPlace): NumberedNames | undefined {
    if (!this.#tokens) return undefined;
    const pieces: Piece[] = [...this.#pieces(this.#tokens, place), { kind: 'text', text: EXTENSION[place.format] }];
    const at = pieces.findIndex((p) => p.kind === 'number' || p.kind === 'suffix');
    const before = pieces
      .slice(0, at)
      .map((p) => drawn(p, 1))
      .join('');
    const folder = before.slice(0, before.lastIndexOf('/') + 1);
    const source = this.#entrySource(pieces, at);
    const expression = new RegExp(`^${source}$`, 'u');
    return {
      folder,
      group: `${folder}${source}`,
      least: this.#counts && !this.#goesOn ? place.seq : 1,
      goesOn: this.#counts && this.#goesOn,
      numberOf(entry) {
        const found = expression.exec(entry);
        return found ? Number(found[1] ?? 1) : undefined;
      },
    };
  }

  /** The regular expression of the one path component that holds the number. */
  #entrySource(pieces: readonly Piece[], at: number): string {
    let source = '';
    for (let i = at - 1; i >= 0; i -= 1) {
      const piece = pieces[i]!;
      const text = drawn(piece, 1);
      const cut = text.lastIndexOf('/');
      source = this.#pieceSource(piece, text.slice(cut + 1)) + source;
      if (cut >= 0) break;
    }
    source += pieces[at]!.kind === 'suffix' ? '(?:-([1-9]\\d*))?' : '(\\d+)';
    for (const piece of pieces.slice(at + 1)) {
      const text = drawn(piece, 1);
      const cut = text.indexOf('/');
      source += this.#pieceSource(piece, cut < 0 ? text : text.slice(0, cut));
      if (cut >= 0) break;
    }
    return source;
  }

  #pieceSource(piece: Piece, text: string): string {
    const anyTime = piece.kind === 'time' && this.#goesOn && this.#counts;
    return anyTime ? text.replace(/\d/g, '\\d') : escapeRegExp(text);
  }

  #pieces(tokens: readonly PatternToken[], place: SegmentPlace): readonly Piece[] {
    const pieces = tokens.map((token) => pieceOf(token, place, this.#utc));
    return this.#counts ? pieces : [...pieces, { kind: 'suffix' }];
  }
}

function pieceOf(token: PatternToken, place: SegmentPlace, utc: boolean): Piece {
  switch (token.kind) {
    case 'text':
    case 'number':
      return token;
    case 'stream':
      return { kind: 'text', text: encodeComponent(place.path.replaceAll('/', '_')) };
    case 'path':
      return { kind: 'text', text: encodePath(place.path) };
    case 'recording':
      return { kind: 'text', text: place.recording };
    case 'time':
      return { kind: 'time', text: timeText(token.field, place.start, utc) };
  }
}

function drawn(piece: Piece, number: number): string {
  switch (piece.kind) {
    case 'text':
    case 'time':
      return piece.text;
    case 'number':
      return pad(number, piece.width);
    case 'suffix':
      return number > 1 ? `-${number}` : '';
  }
}
