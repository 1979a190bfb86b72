import { ProtocolError } from '../protocol-error.ts';

/** Who the peer says it is. Secrets: never logged. */
export interface StreamCredentials {
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  /** Second half of the stream key, as in `name?key=…`. */
  readonly key?: string;
}

/** What a publisher or player asked for. */
export interface StreamTarget {
  /** `app/name`, normalised; holds no query and no secret. */
  readonly path: string;
  /** Parameters that are not credentials, percent-decoded. Other names may still hold secrets of other servers: not to be logged. */
  readonly query: ReadonlyMap<string, string>;
  readonly credentials: StreamCredentials;
}

/** UTF-8. With date, number and suffix it must still fit a file name of 255 bytes. */
const MAX_PATH_BYTES = 200;
/** Bytes of app, tcUrl and name together that are looked at. */
const MAX_INPUT = 16_384;

const CREDENTIAL_NAMES: Readonly<Record<string, keyof StreamCredentials>> = {
  user: 'user',
  username: 'user',
  pass: 'password',
  password: 'password',
  token: 'token',
  jwt: 'token',
  key: 'key',
};

/** ASCII and C1 controls, U+FFFD (bytes that were no UTF-8), backslash, marks that turn the direction of text in a log. */
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\ufffd\\\u202a-\u202e\u2066-\u2069]/u;
/** Where the query begins. Some clients encode the `?` too; what stands behind it must not become part of the path. */
const QUERY_START = /\?|%3f(?=[\w.-]+(?:=|%3d))/i;
/** A second `?` before `name=`: OBS appends its own parameters so, without looking whether there are some. */
const SEPARATOR = /&|\?(?=[\w.-]+=)/;

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

  const query = new Map<string, string>();
  const credentials: { -readonly [K in keyof StreamCredentials]: string } = { ...url.credentials };
  for (const part of [url.query, fromApp.query, fromName.query]) readQuery(part, query, credentials);
  return { path: checkedPath(segments), query, credentials };
}

/**
 * A path given as one text (`live/test`), put into the form that publishing and playing give it.
 * @throws ProtocolError ERR_RTMP_BAD_PATH.
 */
export function normalisePath(path: string): string {
  return checkedPath(segmentsOf(path));
}

function checkedPath(segments: readonly string[]): string {
  const path = segments.join('/').normalize('NFC');
  if (segments.length === 0) throw badPath('app and stream key are empty; publish to rtmp://HOST/live/KEY');
  if (segments.length === 1) throw badPath('the stream key is empty, or the app; publish to rtmp://HOST/live/KEY');
  if (FORBIDDEN.test(path)) {
    throw badPath('it holds control characters, a backslash or bytes that are not UTF-8; type the stream key anew');
  }
  if (segments.some((segment) => segment.startsWith('.'))) throw badPath("no part of it may begin with '.'");
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_PATH_BYTES) throw badPath(`it has ${bytes} bytes, ${MAX_PATH_BYTES} are allowed`);
  return path;
}

/** The path itself is not in the message: what is wrong about it may be that it holds a secret. */
function badPath(what: string): ProtocolError {
  return new ProtocolError('ERR_RTMP_BAD_PATH', `stream path: ${what}`);
}

function segmentsOf(path: string): string[] {
  return path.split('/').filter((segment) => segment !== '');
}

function splitQuery(text: string): { path: string; query: string } {
  const found = QUERY_START.exec(text);
  if (found === null) return { path: text, query: '' };
  return { path: text.slice(0, found.index), query: text.slice(found.index + found[0].length) };
}

/** `rtmp://user:password@host:port/path?query`, without the URL class: hosts with underscores and unescaped paths are common. */
function splitUrl(url: string): { path: string; query: string; credentials: StreamCredentials } {
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
      ...(user === '' ? {} : { user: decode(user) }),
      ...(password.length === 0 ? {} : { password: decode(password.join(':')) }),
    },
  };
}

/** Later parameters replace earlier ones: those of the stream key are the last. */
function readQuery(text: string, query: Map<string, string>, credentials: Record<string, string>): void {
  for (const part of text.split(SEPARATOR)) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = decode(equals < 0 ? part : part.slice(0, equals));
    const value = equals < 0 ? '' : decode(part.slice(equals + 1));
    const credential = Object.hasOwn(CREDENTIAL_NAMES, name) ? CREDENTIAL_NAMES[name] : undefined;
    if (credential === undefined) query.set(name, value);
    else credentials[credential] = value;
  }
}

/** Percent-decoded where that is possible, else as it is. `+` stays: tokens in base64 have it. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
