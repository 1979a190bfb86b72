import { type ListenAddress, parseListenAddress } from './listen-address.ts';
import { parseDuration, ValueProblem } from './units.ts';

/** Whether SRT peers of a path have to encrypt, may, or must not. */
export const SRT_ENCRYPTION = ['Required', 'Optional', 'Disabled'] as const;
export type SrtEncryption = (typeof SRT_ENCRYPTION)[number];

/** AES key length in bytes. */
export const SRT_KEY_LENGTHS = [16, 24, 32] as const;
export type SrtKeyLength = (typeof SRT_KEY_LENGTHS)[number];

/** A port of its own for encoders that cannot send a stream id: whoever comes there publishes on `path`. */
export interface SrtPort {
  readonly listen: ListenAddress;
  readonly path: string;
}

/** What one path has otherwise than the rest; absent: as `srt.encryption`, `srt.keyLength`, `srt.latency` say. */
export interface SrtPathSettings {
  readonly encryption?: SrtEncryption;
  readonly keyLength?: SrtKeyLength;
  /** Milliseconds. */
  readonly latency?: number;
}

/** UTF-8 bytes that a passphrase may have: the bounds that callers of every version of libsrt accept. */
const PASSPHRASE_BYTES = { least: 10, most: 79 } as const;
/** The handshake has 16 bits for it. */
const MAX_LATENCY_MS = 65_535;

/** @throws ValueProblem where SRT callers could not use it; the passphrase is not in the message */
export function parsePassphrase(text: string): string {
  const bytes = Buffer.byteLength(text);
  const { least, most } = PASSPHRASE_BYTES;
  if (bytes < least || bytes > most) {
    throw new ValueProblem(`has ${bytes} bytes: a passphrase needs ${least} to ${most}`);
  }
  if (text.includes('\0')) throw new ValueProblem('holds a NUL character, which callers cannot send');
  return text;
}

/** `120ms`, `1s`; a bare number is milliseconds, as in SRT URLs. @throws ValueProblem */
export function parseSrtLatency(text: string): number {
  const ms = /^\d{1,6}$/.test(text) ? Number(text) : parseDuration(text);
  if (ms > MAX_LATENCY_MS) throw new ValueProblem(`must lie between 0ms and ${MAX_LATENCY_MS}ms`);
  return ms;
}

/** @throws ValueProblem */
export function parseKeyLength(text: string): SrtKeyLength {
  const found = SRT_KEY_LENGTHS.find((length) => String(length) === text);
  if (found === undefined) throw new ValueProblem(`must be one of ${SRT_KEY_LENGTHS.join(', ')}`);
  return found;
}

/** @throws ValueProblem */
export function parseSrtEncryption(text: string): SrtEncryption {
  const found = SRT_ENCRYPTION.find((word) => word === text);
  if (found === undefined) throw new ValueProblem(`must be one of ${SRT_ENCRYPTION.join(', ')}`);
  return found;
}

/** `app/name`, as a publisher's URL gives it. @throws ValueProblem */
export function parseSrtPath(text: string): string {
  const segments = text.normalize('NFC').split('/');
  if (segments.length < 2 || segments.some((segment) => segment === '' || segment.startsWith('.'))) {
    throw new ValueProblem('is no stream path (example: live/test)');
  }
  return segments.join('/');
}

/** `[{listen, path}, …]`. @throws ValueProblem that names the entry */
export function parseSrtPorts(value: unknown): readonly SrtPort[] {
  if (!Array.isArray(value)) throw new ValueProblem('must be a list of {listen, path}');
  return value.map((entry: unknown, index) => {
    const at = `entry ${index + 1}`;
    const { listen, path } = fields(entry, at, ['listen', 'path']);
    return {
      listen: inside(`${at}: listen`, listen, parseListenAddress),
      path: inside(`${at}: path`, path, parseSrtPath),
    };
  });
}

/** `{<path>: {encryption, keyLength, latency}, …}`. @throws ValueProblem that names the path and the key */
export function parseSrtPaths(value: unknown): ReadonlyMap<string, SrtPathSettings> {
  if (!isRecord(value)) throw new ValueProblem('must be a group of paths (example: live/test: {latency: 500ms})');
  return new Map(
    Object.entries(value).map(([name, entry]) => {
      const path = inside(name, name, parseSrtPath);
      const { encryption, keyLength, latency } = fields(entry, name, ['encryption', 'keyLength', 'latency']);
      return [
        path,
        {
          ...(encryption !== undefined && {
            encryption: inside(`${name}: encryption`, encryption, parseSrtEncryption),
          }),
          ...(keyLength !== undefined && { keyLength: inside(`${name}: keyLength`, keyLength, parseKeyLength) }),
          ...(latency !== undefined && { latency: inside(`${name}: latency`, latency, parseSrtLatency) }),
        },
      ];
    }),
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fields<K extends string>(value: unknown, at: string, names: readonly K[]): { readonly [N in K]?: unknown } {
  if (!isRecord(value)) throw new ValueProblem(`${at} must be a group of keys: ${names.join(', ')}`);
  const unknown = Object.keys(value).find((key) => !(names as readonly string[]).includes(key));
  if (unknown !== undefined) throw new ValueProblem(`${at}: unknown key ${unknown}; there are ${names.join(', ')}`);
  return value as { readonly [N in K]?: unknown };
}

/** Parses a value inside a structured setting; what is wrong with it is told with its place. */
function inside<T>(at: string, value: unknown, parse: (text: string) => T): T {
  if (typeof value !== 'string' && typeof value !== 'number') throw new ValueProblem(`${at} must be a single value`);
  try {
    return parse(String(value));
  } catch (error) {
    if (error instanceof ValueProblem)
      throw new ValueProblem(`${at} ${JSON.stringify(String(value))} ${error.message}`);
    throw error;
  }
}
