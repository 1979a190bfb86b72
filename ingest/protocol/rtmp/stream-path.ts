import { ProtocolError } from '../protocol-error.ts';
import {
  decodePercent,
  joinPath,
  type Parameters,
  readQuery,
  type StreamTarget,
  segmentsOf,
  splitQuery,
} from '../stream-target.ts';

/** Bytes of app, tcUrl and name together that are looked at. */
const MAX_INPUT = 16_384;

/**
 * Path, query and credentials out of the app and tcUrl of `connect` and the name of `publish` or `play`, however the client spread the
 * URL over the three: query in any of them, the whole path in app, an empty name, `user:password@` in tcUrl, doubled slashes.
 * The path is not percent-decoded: stream keys with `%` in them are common.
 * @throws ProtocolError ERR_RTMP_BAD_PATH.
 */
export function parseStreamTarget(app: string, tcUrl: string, name: string): StreamTarget {
  if (app.length + tcUrl.length + name.length > MAX_INPUT) throw badPath('app, tcUrl and stream key are too long');
  const url = splitUrl(tcUrl);
  const fromApp = splitQuery(app);
  const fromName = splitQuery(name);
  const stream = segmentsOf(fromName.path.replace(/^\/*(?:mp4|flv|mp3):/i, ''));
  const appSegments = segmentsOf(fromApp.path);
  const urlSegments = segmentsOf(url.path);
  // Without a name the URL's own path is the stream; it has more of it than app where the client cuts app short.
  const isUrlWanted = appSegments.length === 0 || (stream.length === 0 && urlSegments.length > appSegments.length);
  const segments = [...(isUrlWanted ? urlSegments : appSegments), ...stream];

  const parameters: Parameters = { query: new Map(), credentials: { ...url.credentials } };
  for (const part of [url.query, fromApp.query, fromName.query]) readQuery(part, parameters);
  return { path: checkedPath(segments), ...parameters };
}

/**
 * A path given as one text (`live/test`), put into the form that publishing and playing give it.
 * @throws ProtocolError ERR_RTMP_BAD_PATH.
 */
export function normalisePath(path: string): string {
  return checkedPath(segmentsOf(path));
}

function checkedPath(segments: readonly string[]): string {
  if (segments.length === 0) throw badPath('app and stream key are empty; publish to rtmp://HOST/live/KEY');
  if (segments.length === 1) throw badPath('the stream key is empty, or the app; publish to rtmp://HOST/live/KEY');
  return joinPath(segments, badPath);
}

function badPath(what: string): ProtocolError {
  return new ProtocolError('ERR_RTMP_BAD_PATH', `stream path: ${what}`);
}

/** `rtmp://user:password@host:port/path?query`, without the URL class: hosts with underscores and unescaped paths are common. */
function splitUrl(url: string): { path: string; query: string; credentials: Parameters['credentials'] } {
  const { path: before, query } = splitQuery(url);
  const scheme = before.indexOf('://');
  if (scheme < 0) return { path: '', query, credentials: {} };
  const rest = before.slice(scheme + 3);
  const slash = rest.indexOf('/');
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  const at = authority.lastIndexOf('@');
  const [user = '', ...password] = at < 0 ? [] : authority.slice(0, at).split(':');
  return {
    path: slash < 0 ? '' : rest.slice(slash),
    query,
    credentials: {
      ...(user === '' ? {} : { user: decodePercent(user) }),
      ...(password.length === 0 ? {} : { password: decodePercent(password.join(':')) }),
    },
  };
}
