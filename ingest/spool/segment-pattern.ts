import { Fault } from '../runtime/fault.ts';
import { COMPONENT_BYTES } from './key-encoding.ts';

/** What a pattern is made of. `width` is the least number of digits. */
export type PatternToken =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'stream' | 'path' | 'recording' }
  | { readonly kind: 'number'; readonly width: number }
  | { readonly kind: 'time'; readonly field: TimeField };

/** `T` = YYYYMMDD_HHMMSS, the rest as in `strftime`, but for `D`, the day of the month. */
export type TimeField = 'Y' | 'm' | 'D' | 'H' | 'M' | 'S' | 'T';

const PLACEHOLDERS = '%s %p %r %d %0Nd %T %Y %m %D %H %M %S %%';
const MAX_PATTERN = 512;
const MAX_WIDTH = 12;
/** Bytes that one component of a name may take: file systems have 255, of which `.mp4.part`, `-1234567` and the like take some. */
const MAX_COMPONENT = 225;
/** Most bytes that a placeholder becomes. */
const WIDTH = { stream: COMPONENT_BYTES, path: COMPONENT_BYTES, recording: 32, number: 16, time: 15 } as const;

function refuse(pattern: string, why: string): never {
  throw new Fault('ERR_CONFIG_PATTERN', `segment pattern "${pattern}": ${why}`);
}

function tokenAt(pattern: string, at: number): { token: PatternToken; length: number } {
  const rest = pattern.slice(at + 1);
  const number = /^(?:0(\d{1,2}))?d/.exec(rest);
  if (number) {
    const width = Number(number[1] ?? 1);
    if (width < 1 || width > MAX_WIDTH) refuse(pattern, `%0Nd takes 1 to ${MAX_WIDTH} digits`);
    return { token: { kind: 'number', width }, length: 1 + number[0].length };
  }
  const letter = rest.charAt(0);
  switch (letter) {
    case '%':
      return { token: { kind: 'text', text: '%' }, length: 2 };
    case 's':
      return { token: { kind: 'stream' }, length: 2 };
    case 'p':
      return { token: { kind: 'path' }, length: 2 };
    case 'r':
      return { token: { kind: 'recording' }, length: 2 };
    case 'Y':
    case 'm':
    case 'D':
    case 'H':
    case 'M':
    case 'S':
    case 'T':
      return { token: { kind: 'time', field: letter }, length: 2 };
    default:
      return refuse(pattern, `"%${letter}" is not one of ${PLACEHOLDERS}`);
  }
}

/** A name must not leave the store's prefix, nor be hidden: `.spool` lies in the same folder. */
function checkText(pattern: string, tokens: readonly PatternToken[]): void {
  const drawn = tokens.map((t) => (t.kind === 'text' ? t.text : '\u0001')).join('');
  if (/[\0\u0002-\u001f\u007f\\]/.test(drawn)) refuse(pattern, 'control characters and backslashes are not allowed');
  if (drawn.endsWith('/')) refuse(pattern, 'it names a folder; end it with a file name');
  if (drawn.split('/').some((component) => component.startsWith('.'))) {
    refuse(pattern, 'no part of it may begin with a dot');
  }
  const widest = tokens.map((t) => (t.kind === 'text' ? t.text : 'x'.repeat(WIDTH[t.kind]))).join('');
  if (widest.split('/').some((component) => Buffer.byteLength(component) > MAX_COMPONENT)) {
    refuse(pattern, `it could make a name of more than ${MAX_COMPONENT} bytes between two slashes`);
  }
  for (const kind of ['stream', 'path', 'recording', 'number'] as const) {
    if (tokens.filter((t) => t.kind === kind).length > 1) refuse(pattern, `a placeholder stands in it twice`);
  }
}

/**
 * Reads a segment pattern: `%s` app_stream, `%p` path, `%r` recording, `%d` and `%0Nd` number, `%T` YYYYMMDD_HHMMSS,
 * `%Y %m %D %H %M %S`, `%%`. A leading slash, doubled slashes and a known file extension at the end are taken off.
 * @throws Fault ERR_CONFIG_PATTERN where a name could not be made of it.
 */
export function parsePattern(pattern: string): readonly PatternToken[] {
  if (pattern.length > MAX_PATTERN) refuse(`${pattern.slice(0, 40)}…`, `longer than ${MAX_PATTERN} characters`);
  if (!pattern.isWellFormed()) refuse(pattern.toWellFormed(), 'it is not valid Unicode');
  const plain = pattern
    .replace(/\/{2,}/g, '/')
    .replace(/^\//, '')
    .replace(/(?<!^|\/)\.(mp4|flv)$/, '');
  const tokens: PatternToken[] = [];
  for (let at = 0; at < plain.length; ) {
    if (plain[at] !== '%') {
      const until = plain.indexOf('%', at);
      const end = until < 0 ? plain.length : until;
      tokens.push({ kind: 'text', text: plain.slice(at, end) });
      at = end;
      continue;
    }
    const { token, length } = tokenAt(plain, at);
    tokens.push(token);
    at += length;
  }
  if (tokens.length === 0) refuse(pattern, 'it is empty');
  checkText(pattern, tokens);
  return tokens;
}

/** What is doubtful in a pattern that can be used all the same, as sentences for the log. */
export function warningsOf(pattern: string): readonly string[] {
  const tokens = parsePattern(pattern);
  if (tokens.some((t) => t.kind === 'number' || t.kind === 'time')) return [];
  return [
    `segment pattern "${pattern}" has neither a number nor a time: each segment gets the next free name (name, name-2, name-3 …); add %03d or %T`,
  ];
}
