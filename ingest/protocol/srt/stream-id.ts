import {
  addParameter,
  decodePercent,
  joinPath,
  type Parameters,
  readQuery,
  type StreamTarget,
  segmentsOf,
  splitQuery,
} from '../stream-target.ts';
import { RefusedHandshake, type Rejection } from './rejection.ts';

/** What an SRT caller asked for. */
export interface SrtTarget extends StreamTarget {
  readonly mode: 'publish' | 'request';
}

/** App of a stream id that is one name only, as in SRS. */
const DEFAULT_APP = 'live';
const ACCESS_CONTROL = '#!::';
const MODES: Readonly<Record<string, SrtTarget['mode']>> = {
  publish: 'publish',
  request: 'request',
  read: 'request',
  play: 'request',
};
const PREFIX = /^(publish|request|read|play):/;
/** Marks of a form that is not a plain path. */
const HAS_FORM = /^(?:#!|(?:publish|request|read|play):)/;
/** mediamtx tells apart the way back of a feed by it; the stream is the same. */
const FEEDBACK = '#feedbackplay';

/**
 * The forms in use:
 *
 *   publish:live/test  read:live/test  (request:, play:)       mediamtx, rtmp-go; behind it `:user:password`, `:query` or `?query`
 *   #!::r=live/test,m=publish,u=user,s=session                 SRT access control; without `m` it is a request
 *   live/test                                                  publishes: what encoders with one field for a key send
 *   (nothing)                                                  publishes to the default path
 *
 * A name without an app belongs to `live`. What makes no sense as it stands but does when percent-decoded, is meant so.
 * `s` of access control is the password, as in mediamtx. Neither it, nor user, password or query become part of the path.
 * @throws RefusedHandshake ERR_SRT_STREAM_ID.
 */
export function parseStreamId(streamId: string, defaultPath?: string): SrtTarget {
  if (streamId.includes('%')) {
    const decoded = decodePercent(streamId);
    if (isMeantDecoded(streamId, decoded)) return parseForm(decoded, defaultPath);
  }
  return parseForm(streamId, defaultPath);
}

/** `%23!::…`, `publish%3A…`, and names whose slash is encoded. In other paths `%` is a character like others. */
function isMeantDecoded(exact: string, decoded: string): boolean {
  if (decoded === exact) return false;
  if (!HAS_FORM.test(exact) && HAS_FORM.test(decoded)) return true;
  if (exact.startsWith('#!') && !exact.startsWith(ACCESS_CONTROL)) return true;
  return !exact.includes('/') && decoded.includes('/');
}

function parseForm(text: string, defaultPath: string | undefined): SrtTarget {
  if (text.startsWith(ACCESS_CONTROL)) return parseAccessControl(text.slice(ACCESS_CONTROL.length), defaultPath);
  if (text.startsWith('#!')) throw refused(`it begins with #!; the form is ${ACCESS_CONTROL}r=live/KEY,m=publish`);
  const prefix = PREFIX.exec(text);
  if (prefix === null) return parsePath('publish', text, noParameters(), defaultPath);
  return parsePrefixed(MODES[prefix[1] as string] as SrtTarget['mode'], text.slice(prefix[0].length), defaultPath);
}

/** `path`, `path:query`, `path:user:password`, `path:user:password:query`. */
function parsePrefixed(mode: SrtTarget['mode'], text: string, defaultPath: string | undefined): SrtTarget {
  const parameters = noParameters();
  const { path, query } = splitQuery(text.endsWith(FEEDBACK) ? text.slice(0, -FEEDBACK.length) : text);
  const parts = path.split(':');
  if (parts.length > 4) throw refused('it has too many colons; the form is publish:PATH:USER:PASSWORD');
  const [name = '', ...rest] = parts;
  if (rest.length >= 2) {
    parameters.credentials.user = rest[0] as string;
    parameters.credentials.password = rest[1] as string;
  }
  // What splitQuery cut off belongs to the last part: `path?query`, or `path:user:password?query`.
  for (const part of [rest.length === 1 ? rest[0] : rest[2], query]) readQuery(part ?? '', parameters);
  return parsePath(mode, name, parameters, defaultPath);
}

/** Keys of the SRT access control guidelines; SRS also has the path in `h`. Others are parameters. */
function parseAccessControl(text: string, defaultPath: string | undefined): SrtTarget {
  const parameters = noParameters();
  let resource = '';
  let host = '';
  let mode: SrtTarget['mode'] = 'request';
  for (const part of text.split(',')) {
    const equals = part.indexOf('=');
    const name = equals < 0 ? part : part.slice(0, equals);
    const value = equals < 0 ? '' : part.slice(equals + 1);
    if (name === 'r') resource = value;
    else if (name === 'h') host = value;
    else if (name === 'u') parameters.credentials.user = value;
    else if (name === 's') parameters.credentials.password ??= value;
    else if (name === 'm') mode = modeOf(value);
    else if (name === 't') checkType(value);
    else if (name !== '') addParameter(name, value, parameters);
  }
  return parsePath(mode, resource === '' && host.includes('/') ? host : resource, parameters, defaultPath);
}

function modeOf(value: string): SrtTarget['mode'] {
  const mode = Object.hasOwn(MODES, value) ? MODES[value] : undefined;
  if (mode === undefined) throw refused('its mode is neither publish nor request', 'badMode');
  return mode;
}

function checkType(value: string): void {
  if (value !== 'stream') throw refused('its type is not stream', 'notSupportedMedia');
}

function parsePath(
  mode: SrtTarget['mode'],
  text: string,
  parameters: Parameters,
  defaultPath: string | undefined,
): SrtTarget {
  const { path, query } = splitQuery(text);
  readQuery(query, parameters);
  const segments = segmentsOf(path === '' ? (defaultPath ?? '') : path);
  if (segments.length === 0) {
    throw refused('it names no path; send publish:live/KEY, or set srt.defaultPath for encoders that send none');
  }
  if (segments.length === 1) segments.unshift(DEFAULT_APP);
  return { mode, path: joinPath(segments, refused), ...parameters };
}

function noParameters(): Parameters {
  return { query: new Map(), credentials: {} };
}

function refused(what: string, rejection: Rejection = 'badRequest'): RefusedHandshake {
  return new RefusedHandshake('ERR_SRT_STREAM_ID', rejection, `stream id: ${what}`);
}

/** Characters of a stream id that a log line shows. */
const MAX_SHOWN = 120;
/** Controls, and marks that turn the direction of text. */
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/gu;

/** A stream id for logs: path and mode stay, values that may be secrets become `…`; control characters are escaped. */
export function maskStreamId(streamId: string): string {
  const decoded = streamId.includes('%') ? decodePercent(streamId) : streamId;
  const text = isMeantDecoded(streamId, decoded) ? decoded : streamId;
  const masked = text.startsWith('#!') ? maskAccessControl(text) : maskPath(text);
  const shown = masked.length > MAX_SHOWN ? `${masked.slice(0, MAX_SHOWN)}…` : masked;
  return shown.replace(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function maskAccessControl(text: string): string {
  const keepsValue = /^(?:#!::)?(?:r|h|m|t)=/;
  const mask = (part: string): string =>
    keepsValue.test(part) ? splitQuery(part).path + (/\?/.test(part) ? '?…' : '') : part.replace(/=.*/s, '=…');
  return text.split(',').map(mask).join(',');
}

function maskPath(text: string): string {
  const prefix = PREFIX.exec(text)?.[0] ?? '';
  const { path, query } = splitQuery(text.slice(prefix.length));
  const [name = '', ...rest] = prefix === '' ? [path] : path.split(':');
  return `${prefix}${name}${rest.length > 0 ? ':…' : ''}${query === '' ? '' : '?…'}`;
}
