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

/** Parameters being collected; later ones replace earlier ones. */
export interface Parameters {
  readonly query: Map<string, string>;
  readonly credentials: { -readonly [K in keyof StreamCredentials]: string };
}

/** UTF-8. With date, number and suffix it must still fit a file name of 255 bytes. */
const MAX_PATH_BYTES = 200;

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

/** The parts of a path; doubled, leading and trailing slashes make none. */
export function segmentsOf(path: string): string[] {
  return path.split('/').filter((segment) => segment !== '');
}

/**
 * Two or more segments as a path, composed Unicode.
 * @throws what `refuse` makes of the reason. The path itself is not in it: what is wrong about it may be that it holds a secret.
 */
export function joinPath(segments: readonly string[], refuse: (what: string) => Error): string {
  const path = segments.join('/').normalize('NFC');
  if (FORBIDDEN.test(path)) {
    throw refuse('it holds control characters, a backslash or bytes that are not UTF-8; type the stream key anew');
  }
  if (segments.some((segment) => segment.startsWith('.'))) throw refuse("no part of it may begin with '.'");
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_PATH_BYTES) throw refuse(`it has ${bytes} bytes, ${MAX_PATH_BYTES} are allowed`);
  return path;
}

/** What stands before the query, and the query. */
export function splitQuery(text: string): { path: string; query: string } {
  const found = QUERY_START.exec(text);
  if (found === null) return { path: text, query: '' };
  return { path: text.slice(0, found.index), query: text.slice(found.index + found[0].length) };
}

/** Collects the parameters of a query, percent-decoded. */
export function readQuery(text: string, into: Parameters): void {
  for (const part of text.split(SEPARATOR)) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = decodePercent(equals < 0 ? part : part.slice(0, equals));
    addParameter(name, equals < 0 ? '' : decodePercent(part.slice(equals + 1)), into);
  }
}

/** A credential where the name is one's, else a parameter. */
export function addParameter(name: string, value: string, { query, credentials }: Parameters): void {
  const credential = Object.hasOwn(CREDENTIAL_NAMES, name) ? CREDENTIAL_NAMES[name] : undefined;
  if (credential === undefined) query.set(name, value);
  else credentials[credential] = value;
}

/** Percent-decoded where that is possible, else as it is. `+` stays: tokens in base64 have it. */
export function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
