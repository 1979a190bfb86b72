import { z } from 'zod';
import { type Bytes, DEFAULTS, type Milliseconds } from './defaults.ts';
import { type ListenAddress, parseListenAddress } from './listen-address.ts';
import {
  parseKeyLength,
  parsePassphrase,
  parseSrtEncryption,
  parseSrtLatency,
  parseSrtPath,
  parseSrtPaths,
  parseSrtPorts,
  SRT_ENCRYPTION,
  SRT_KEY_LENGTHS,
  type SrtEncryption,
  type SrtKeyLength,
  type SrtPathSettings,
  type SrtPort,
} from './srt-settings.ts';
import { parseStoreUrl } from './store-url.ts';
import { parseDuration, parseSize, ValueProblem } from './units.ts';

/** What a setting takes, for the documentation and for the parser of the command line. */
export interface SettingType {
  readonly name:
    | 'address'
    | 'boolean'
    | 'choice'
    | 'document'
    | 'duration'
    | 'integer'
    | 'list'
    | 'map'
    | 'path'
    | 'ratio'
    | 'size'
    | 'store'
    | 'text';
  readonly choices?: readonly string[];
}

/** The type of each leaf of `CONFIG_SCHEMA`. */
export const SETTING_TYPES = z.registry<SettingType>();

/** A setting whose value may come as a YAML scalar or as the text of a flag or variable. */
export function setting<T>(type: SettingType, fallback: T, parse: (text: string) => T): z.ZodType<T, unknown> {
  return settingOf(type, fallback, (value) => {
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      return parse(String(value));
    }
    if (value === null) return parse('');
    throw new ValueProblem('must be a single value');
  });
}

/** A setting that is a list or a map in YAML, and JSON in the environment. */
function structured<T>(type: SettingType, fallback: T, parse: (value: unknown) => T): z.ZodType<T, unknown> {
  return settingOf(type, fallback, (value) => {
    if (typeof value !== 'string') return parse(value);
    try {
      return parse(JSON.parse(value));
    } catch (error) {
      if (error instanceof SyntaxError) throw new ValueProblem(`is no JSON: ${error.message}`);
      throw error;
    }
  });
}

function settingOf<T>(type: SettingType, fallback: T, parse: (value: unknown) => T): z.ZodType<T, unknown> {
  const schema: z.ZodType<T, unknown> = z
    .unknown()
    .transform((value, context): T => {
      try {
        return parse(value);
      } catch (error) {
        if (!(error instanceof ValueProblem)) throw error;
        context.addIssue({ code: 'custom', message: error.message });
        return z.NEVER;
      }
    })
    .default(fallback as never); // zod's type of the default says Awaited<T>, which no setting is
  return schema.register(SETTING_TYPES, type);
}

export const orNull =
  <T>(parse: (text: string) => T) =>
  (value: string): T | null =>
    value === '' ? null : parse(value);

const nonEmpty = (value: string): string => {
  if (value === '') throw new ValueProblem('must not be empty');
  return value;
};

export const between = (
  low: number,
  high: number,
  parse: (text: string) => number,
  show: (n: number) => string = String,
) => {
  return (value: string): number => {
    const number = parse(value);
    if (number < low || number > high) throw new ValueProblem(`must lie between ${show(low)} and ${show(high)}`);
    return number;
  };
};

export const wholeNumber = (value: string): number => {
  if (!/^\d{1,15}$/.test(value)) throw new ValueProblem('must be a whole number');
  return Number(value);
};

const numberBetween0And1 = (value: string): number => {
  const number = Number(value);
  if (value === '' || !(number > 0 && number <= 1)) {
    throw new ValueProblem('must be a number above 0 and not above 1 (example: 0.8)');
  }
  return number;
};

export const address = (fallback: string | null): z.ZodType<ListenAddress | null, unknown> =>
  setting({ name: 'address' }, fallback === null ? null : parseListenAddress(fallback), orNull(parseListenAddress));

export const duration = (fallback: Milliseconds, low = 0, high = 24 * 3_600_000): z.ZodType<Milliseconds, unknown> =>
  setting<Milliseconds>(
    { name: 'duration' },
    fallback,
    between(low, high, parseDuration, (n) => `${n}ms`),
  );

const size = (fallback: Bytes, low: Bytes, high = Number.MAX_SAFE_INTEGER): z.ZodType<Bytes, unknown> =>
  setting<Bytes>(
    { name: 'size' },
    fallback,
    between(low, high, parseSize, (n) => `${n} bytes`),
  );

export const integer = (fallback: number, low: number, high: number): z.ZodType<number, unknown> =>
  setting<number>({ name: 'integer' }, fallback, between(low, high, wholeNumber));

const boolean = (fallback: boolean): z.ZodType<boolean, unknown> =>
  setting<boolean>({ name: 'boolean' }, fallback, (value) => {
    if (value === 'true' || value === '1') return true;
    if (value === 'false' || value === '0') return false;
    throw new ValueProblem('must be true or false');
  });

export const choice = <const C extends string>(fallback: NoInfer<C>, choices: readonly C[]): z.ZodType<C, unknown> =>
  setting<C>({ name: 'choice', choices }, fallback, oneOf(choices));

export const oneOf =
  <C extends string>(choices: readonly C[]) =>
  (value: string): C => {
    const found = choices.find((candidate) => candidate === value);
    if (found === undefined) throw new ValueProblem(`must be one of ${choices.join(', ')}`);
    return found;
  };

const optionalText = (): z.ZodType<string | null, unknown> =>
  setting<string | null>({ name: 'text' }, null, orNull(String));
const optionalPath = (): z.ZodType<string | null, unknown> =>
  setting<string | null>({ name: 'path' }, null, orNull(String));

export const LOG_FORMATS = ['pretty', 'json'] as const;
const D = DEFAULTS;

/** Every setting, by its key in the YAML file. Unknown keys are refused. */
export const CONFIG_SCHEMA = z.strictObject({
  rtmp: z.strictObject({
    listen: address(D.rtmp.listen),
    chunkSize: size(D.rtmp.chunkSize, 128, 16_777_215),
  }),
  rtmps: z.strictObject({ listen: address(D.rtmps.listen), cert: optionalPath(), key: optionalPath() }),
  srt: z.strictObject({
    listen: address(D.srt.listen),
    latency: setting<Milliseconds>({ name: 'duration' }, D.srt.latency, parseSrtLatency),
    encryption: setting<SrtEncryption | null>(
      { name: 'choice', choices: SRT_ENCRYPTION },
      null,
      orNull(parseSrtEncryption),
    ),
    passphrase: settingOf<string | null>({ name: 'text' }, null, passphrase),
    passphraseFile: optionalPath(),
    keyLength: setting<SrtKeyLength>(
      { name: 'choice', choices: SRT_KEY_LENGTHS.map(String) },
      D.srt.keyLength,
      parseKeyLength,
    ),
    defaultPath: setting<string | null>({ name: 'text' }, null, orNull(parseSrtPath)),
    ports: structured<readonly SrtPort[]>({ name: 'list' }, D.srt.ports, parseSrtPorts),
    paths: structured<ReadonlyMap<string, SrtPathSettings>>({ name: 'map' }, D.srt.paths, parseSrtPaths),
    receiveBuffer: size(D.srt.receiveBuffer, 64 * 1024, 1024 ** 3),
    waitForPublisher: duration(D.srt.waitForPublisher),
    idleTimeout: duration(D.srt.idleTimeout, 1_000),
    keyRefresh: integer(D.srt.keyRefresh, 32, 2 ** 30),
  }),
  http: z.strictObject({ listen: address(D.http.listen), apiTokenFile: optionalPath() }),
  metrics: z.strictObject({ listen: address(D.metrics.listen) }),
  streams: z.strictObject({ dir: optionalPath() }),
  cluster: z.strictObject({
    mode: choice(D.cluster.mode, ['none', 'kubernetes']),
    namespace: optionalText(),
    podName: optionalText(),
    podIp: optionalText(),
    pool: setting<string>({ name: 'text' }, D.cluster.pool, nonEmpty),
    kubeconfig: optionalPath(),
    spoolPersistent: boolean(D.cluster.spoolPersistent),
  }),
  store: z.strictObject({
    url: setting<string>({ name: 'store' }, D.store.url, (value) => {
      parseStoreUrl(value);
      return value;
    }),
    s3: z.strictObject({
      endpoint: setting<string | null>({ name: 'text' }, null, orNull(endpointUrl)),
      region: setting<string>({ name: 'text' }, D.store.s3.region, nonEmpty),
      forcePathStyle: boolean(D.store.s3.forcePathStyle),
      accessKeyId: optionalText(),
      secretAccessKey: optionalText(),
      credentialsFile: optionalPath(),
      conditionalWrites: choice(D.store.s3.conditionalWrites, ['auto', 'required', 'off']),
      connectTimeout: duration(D.store.s3.connectTimeout, 1),
      requestTimeout: duration(D.store.s3.requestTimeout, 1),
    }),
  }),
  spool: z.strictObject({
    dir: optionalPath(),
    maxBytes: setting<Bytes | null>(
      { name: 'size' },
      D.spool.maxBytes,
      orNull(between(1024 ** 2, Number.MAX_SAFE_INTEGER, parseSize)),
    ),
    warnAt: setting<number>({ name: 'ratio' }, D.spool.warnAt, numberBetween0And1),
    fullAt: setting<number>({ name: 'ratio' }, D.spool.fullAt, numberBetween0And1),
    onFull: choice(D.spool.onFull, ['DropOldest', 'StopRecording']),
  }),
  record: z.strictObject({
    all: boolean(D.record.all),
    format: choice(D.record.format, ['fmp4', 'flv']),
    layout: choice(D.record.layout, ['standard', 'flat']),
    segmentDuration: duration(D.record.segmentDuration),
    segmentPattern: optionalText(),
    segmentUtc: boolean(D.record.segmentUtc),
    segmentTimeline: choice(D.record.segmentTimeline, ['recording', 'file']),
    hardLimit: duration(D.record.hardLimit, 1),
    fragmentDuration: duration(D.record.fragmentDuration, 1),
    fragmentMinimum: duration(D.record.fragmentMinimum),
    lateAudio: duration(D.record.lateAudio),
    trackSettle: duration(D.record.trackSettle),
    queueBytes: size(D.record.queueBytes, 1024 ** 2),
  }),
  upload: z.strictObject({
    concurrency: integer(D.upload.concurrency, 1, 256),
    retryMin: duration(D.upload.retryMin, 1),
    retryMax: duration(D.upload.retryMax, 1),
    multipartAbove: size(D.upload.multipartAbove, 5 * 1024 ** 2, 5 * 1024 ** 3),
    partSize: size(D.upload.partSize, 5 * 1024 ** 2, 5 * 1024 ** 3),
    indexInterval: duration(D.upload.indexInterval, 1),
  }),
  relay: z.strictObject({
    maxBatch: duration(D.relay.maxBatch, 0, 10_000),
    gopCacheBytes: size(D.relay.gopCacheBytes, 0),
    gopCacheDuration: duration(D.relay.gopCacheDuration),
    unpublishGrace: duration(D.relay.unpublishGrace),
    holdViewers: duration(D.relay.holdViewers),
    onDuplicate: choice(D.relay.onDuplicate, ['RejectUnlessStale', 'Reject', 'TakeOver']),
    staleAfter: duration(D.relay.staleAfter, 1),
  }),
  viewer: z.strictObject({
    queueBytes: size(D.viewer.queueBytes, 64 * 1024),
    queueDuration: duration(D.viewer.queueDuration, 1),
    evictAfter: duration(D.viewer.evictAfter, 1),
  }),
  play: z.strictObject({ waitForPublisher: duration(D.play.waitForPublisher) }),
  limits: z.strictObject({
    handshake: duration(D.limits.handshake, 1),
    request: duration(D.limits.request, 1),
    publisherRead: duration(D.limits.publisherRead, 1),
    publisherMedia: duration(D.limits.publisherMedia, 1),
    messageBytes: size(D.limits.messageBytes, 1024, 16_777_215),
    commandBytes: size(D.limits.commandBytes, 1024, 16_777_215),
    metadataBytes: size(D.limits.metadataBytes, 1024, 16_777_215),
    partialBytes: size(D.limits.partialBytes, 1024),
    chunkStreams: integer(D.limits.chunkStreams, 8, 65_598),
    chunkSizeMin: size(D.limits.chunkSizeMin, 1, 16_777_215),
    chunkSizeMax: size(D.limits.chunkSizeMax, 128, 16_777_215),
    pendingPerAddress: integer(D.limits.pendingPerAddress, 0, 1_000_000),
    sessionsPerAddress: integer(D.limits.sessionsPerAddress, 0, 1_000_000),
    srtHalfOpen: integer(D.limits.srtHalfOpen, 1, 1_000_000),
    srtHandshakesPerSecond: integer(D.limits.srtHandshakesPerSecond, 0, 1_000_000),
  }),
  shutdown: z.strictObject({ flush: duration(D.shutdown.flush) }),
  log: z.strictObject({
    level: choice(D.log.level, ['debug', 'info', 'warn', 'error']),
    format: setting<(typeof LOG_FORMATS)[number] | null>(
      { name: 'choice', choices: LOG_FORMATS },
      null,
      orNull(oneOf(LOG_FORMATS)),
    ),
  }),
});

function passphrase(value: unknown): string | null {
  if (value === null || value === '') return null;
  // YAML reads 0123456789 as a number, and what it was written as is gone.
  if (typeof value === 'number') throw new ValueProblem('must be quoted, as it reads as a number');
  if (typeof value !== 'string') throw new ValueProblem('must be a text');
  return parsePassphrase(value);
}

function endpointUrl(value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw new ValueProblem('must be a URL (example: https://minio.example.com:9000)');
  }
  if (url.username !== '' || url.password !== '') throw new ValueProblem('must not carry credentials');
  return value;
}

/** The type of the setting with this key (`rtmp.chunkSize`). */
export function settingType(key: string): SettingType {
  return typeIn(CONFIG_SCHEMA, key);
}

/** The type of a leaf of a schema that was made with `setting`. */
export function typeIn(schema: z.ZodType, key: string): SettingType {
  let node: unknown = schema;
  for (const part of key.split('.')) node = (node as z.ZodObject).shape[part];
  const type = SETTING_TYPES.get(node as z.ZodType);
  if (type === undefined) throw new TypeError(`${key} is no setting`);
  return type;
}

type Whole = ListenAddress | readonly unknown[] | ReadonlyMap<unknown, unknown> | null;
type DeepReadonly<T> = { readonly [K in keyof T]: T[K] extends Whole ? T[K] : DeepReadonly<T[K]> };

/** Every setting as written, before what depends on others is filled in. */
export type Settings = DeepReadonly<z.output<typeof CONFIG_SCHEMA>>;

/**
 * What the program obeys, fully resolved: durations in ms, sizes in bytes, paths absolute, listen addresses parsed (null: off).
 * `store.url` is read with `parseStoreUrl`.
 */
export type Config = Omit<Settings, 'spool' | 'log'> & {
  readonly spool: Omit<Settings['spool'], 'dir'> & { readonly dir: string };
  readonly log: Omit<Settings['log'], 'format'> & { readonly format: (typeof LOG_FORMATS)[number] };
};
