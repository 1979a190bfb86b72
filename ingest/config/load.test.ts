import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULTS } from './defaults.ts';
import { environmentName, SETTING_KEYS, SETTINGS } from './flags.ts';
import { loadConfig } from './load.ts';
import { settingType } from './schema.ts';

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(path.join(tmpdir(), 'headwater-config-'));
});
afterAll(() => rm(cwd, { recursive: true }));

const load = (argv: string[] = [], env: Record<string, string> = {}, isTerminal = false) =>
  loadConfig({ argv, env, cwd, isTerminal });

async function problemsOf(argv: string[] = [], env: Record<string, string> = {}): Promise<string[]> {
  const fault = await load(argv, env).then(
    () => undefined,
    (error) => error,
  );
  expect(fault).toMatchObject({ code: 'ERR_CONFIG_INVALID' });
  return fault.message.replace('ERR_CONFIG_INVALID: ', '').split('\n');
}

async function yaml(text: string): Promise<string> {
  const file = path.join(cwd, 'headwater.yaml');
  await writeFile(file, text);
  return file;
}

describe('loadConfig', () => {
  it('gives the defaults, with what depends on others filled in', async () => {
    expect(await load()).toEqual({
      ...DEFAULTS,
      rtmp: { ...DEFAULTS.rtmp, listen: { host: undefined, port: 1935 } },
      srt: { ...DEFAULTS.srt, listen: { host: undefined, port: 10080 } },
      http: { ...DEFAULTS.http, listen: { host: undefined, port: 8080 } },
      metrics: { listen: { host: '127.0.0.1', port: 9090 } },
      store: { ...DEFAULTS.store, url: `file://${cwd}/recordings` },
      spool: { ...DEFAULTS.spool, dir: `${cwd}/recordings/.spool` },
      log: { level: 'info', format: 'json' },
    });
    expect((await load([], {}, true)).log.format).toBe('pretty');
  });

  it('prefers flags to environment to file to defaults', async () => {
    const file = await yaml('relay: {maxBatch: 1ms, holdViewers: 1s, staleAfter: 1s}\nrtmp: {listen: ":1"}');
    const env = { HEADWATER_CONFIG: file, HEADWATER_LISTEN: ':2', HEADWATER_RELAY_MAX_BATCH: '2ms' };
    const { relay, rtmp } = await load(['--listen', ':3'], env);
    expect(rtmp.listen!.port).toBe(3);
    expect(relay).toMatchObject({ maxBatch: 2, holdViewers: 1000, staleAfter: 1000, unpublishGrace: 2000 });
  });

  it('prefers --config to HEADWATER_CONFIG', async () => {
    const file = await yaml('log: {level: warn}');
    expect((await load(['--config', file], { HEADWATER_CONFIG: '/nowhere' })).log.level).toBe('warn');
  });

  it('turns listeners off by an empty value', async () => {
    const { http, metrics } = await load(['--http-listen', ''], { HEADWATER_METRICS_ADDR: '' });
    expect([http.listen, metrics.listen]).toEqual([null, null]);
  });

  it('reads what SRT paths and ports have of their own, from a file or as JSON', async () => {
    const text = `srt:
  latency: 300
  ports: [{listen: ":10081", path: live/box}]
  paths:
    live/box: {encryption: Optional, keyLength: 32}
    live/far: {latency: 2s}
  passphrase: "0123456789"`;
    const paths = [
      ['live/box', { encryption: 'Optional', keyLength: 32 }],
      ['live/far', { latency: 2000 }],
    ];
    const { srt } = await load(['--config', await yaml(text), '--srt-passphrase-file', 'keys.json']);
    expect(srt).toMatchObject({ latency: 300, passphrase: '0123456789', passphraseFile: `${cwd}/keys.json` });
    expect(srt.ports).toEqual([{ listen: { host: undefined, port: 10081 }, path: 'live/box' }]);
    expect([...srt.paths]).toEqual(paths);
    const env = { HEADWATER_SRT_PATHS: JSON.stringify({ 'live/box': { keyLength: 24 } }) };
    expect([...(await load([], env)).srt.paths]).toEqual([['live/box', { keyLength: 24 }]]);
    expect(await problemsOf([], { HEADWATER_SRT_PORTS: '[' })).toEqual([
      expect.stringMatching(/^HEADWATER_SRT_PORTS is no JSON: /),
    ]);
  });

  it('makes paths absolute', async () => {
    const config = await load([
      '--tls-listen',
      ':2',
      '--tls-cert',
      'a',
      '--tls-key',
      '/b',
      '--api-token-file',
      'c',
      '--spool',
      'd',
    ]);
    expect([config.rtmps.cert, config.rtmps.key, config.http.apiTokenFile, config.spool.dir]).toEqual([
      `${cwd}/a`,
      '/b',
      `${cwd}/c`,
      `${cwd}/d`,
    ]);
  });

  it.each([
    [[], 'recordings/.spool'],
    [['--record-dir', 'x'], 'x/.spool'],
    [['--store', 's3://bucket/a'], 'spool'],
  ])('puts the spool where storing is cheapest: %j → %s', async (argv, dir) => {
    expect((await load(argv)).spool.dir).toBe(path.join(cwd, dir));
  });

  it('takes --record-dir for --store file://, by precedence', async () => {
    expect((await load(['--record-dir', 'x'], { HEADWATER_STORE: 's3://bucket' })).store.url).toBe(`file://${cwd}/x`);
    expect((await load(['--store', 's3://bucket'], { HEADWATER_RECORD_DIR: 'x' })).store.url).toBe('s3://bucket');
    expect((await load([], { HEADWATER_RECORD_DIR: 'x' })).store.url).toBe(`file://${cwd}/x`);
    expect(await problemsOf(['--record-dir', 'x', '--store', 's3://bucket'])).toEqual([
      expect.stringMatching(/remove one of them/),
    ]);
  });

  it.each([
    [[], 'recording'],
    [['--format', 'flv'], 'file'],
    [['--segment-pattern', '%s'], 'file'],
    [['--layout', 'flat'], 'file'],
    [['--segment-pattern', '%s', '--segment-timeline', 'recording'], 'recording'],
  ])('times count from the recording or the file: %j → %s', async (argv, timeline) => {
    expect((await load(argv)).record.segmentTimeline).toBe(timeline);
  });

  it.each([
    [['--tls-listen', ':1'], '--tls-listen is set, so RTMPS needs --tls-cert and --tls-key as well'],
    [['--tls-cert', 'a', '--tls-key', 'b'], '--tls-cert is set, but RTMPS is off: set --tls-listen too, or remove it'],
    [
      ['--listen', '', '--srt-listen', ''],
      '--listen, --tls-listen and --srt-listen are all off, so nobody could publish: set one',
    ],
    [['--listen', ':8080'], '--listen and --http-listen both want :8080: give one another port'],
    [
      ['--layout', 'flat', '--segment-pattern', '%s'],
      '--layout flat and --segment-pattern both name the segments: remove one of them',
    ],
    [
      ['--format', 'flv', '--segment-timeline', 'recording'],
      '--segment-timeline recording needs fragmented MP4, as each FLV file counts from its own start: remove it, or set --format fmp4',
    ],
    [['--s3-endpoint', 'http://a'], /^--s3-endpoint is set, but recordings go to file:/],
    [
      ['--segment-duration', '6'],
      '--segment-duration "6" has no unit: write 6s or 6ms (examples: 6s, 500ms, 1m, 1h30m, 0)',
    ],
    [['--chunk-size', '100'], '--chunk-size "100" must lie between 128 bytes and 16777215 bytes'],
    [['--format', 'mp4'], '--format "mp4" must be one of fmp4, flv'],
    [['--record-all=maybe'], '--record-all "maybe" must be true or false'],
    [['--store', 'recordings'], /^--store "recordings" is no store \(examples: file:/],
    [['--listen', 'localhost'], /^--listen "localhost" is no listen address/],
    [['--udp-listen', ':1'], /^unknown flag --udp-listen; the nearest is --/],
    [['--srt-passphrase', 'too short'], '--srt-passphrase has 9 bytes: a passphrase needs 10 to 79'],
    [['--srt-passphrase', 'x'.repeat(80)], '--srt-passphrase has 80 bytes: a passphrase needs 10 to 79'],
    [['--srt-pbkeylen', '20'], '--srt-pbkeylen "20" must be one of 16, 24, 32'],
    [['--srt-latency', '66s'], '--srt-latency "66s" must lie between 0ms and 65535ms'],
    [['extra'], 'unexpected argument "extra": flags start with --'],
  ])('explains %j', async (argv, message) => {
    expect(await problemsOf(argv)).toEqual([typeof message === 'string' ? message : expect.stringMatching(message)]);
  });

  it.each([
    ['spool: {warnAt: 0.9, fullAt: 0.8}', 'spool.warnAt is above spool.fullAt: make it smaller'],
    ['spool: {warnAt: 2}', /headwater.yaml:1:17: spool.warnAt "2" must be a number above 0 and not above 1/],
    ['record: {fragmentMinimum: 1s}', 'record.fragmentMinimum is longer than record.fragmentDuration: make it shorter'],
    ['store: {s3: {accessKeyId: a}}', /accessKeyId and store.s3.secretAccessKey belong together/],
    ['record: {all: [true]}', /headwater.yaml:1:15: record.all must be a single value/],
    [
      'srt: {encryption: Required}',
      'srt.encryption is Required, but there is no passphrase, so nobody could come: set --srt-passphrase or --srt-passphrase-file',
    ],
    [
      'srt: {paths: {live/a: {encryption: Required}}}',
      'srt.paths live/a: encryption is Required, but there is no passphrase, so nobody could come: set --srt-passphrase or --srt-passphrase-file',
    ],
    [
      'srt: {ports: [{listen: ":10080", path: live/a}]}',
      '--srt-listen and srt.ports for live/a both want :10080: give one another port',
    ],
    ['srt: {ports: [{listen: ":1"}]}', /:1:14: srt.ports entry 1: path must be a single value$/],
    ['srt: {ports: {listen: ":1"}}', /:1:14: srt.ports must be a list of \{listen, path\}$/],
    [
      'srt: {paths: {live/a: {keylength: 16}}}',
      /:1:14: srt.paths live\/a: unknown key keylength; there are encryption/,
    ],
    ['srt: {paths: {live/a: {keyLength: 20}}}', /:1:14: srt.paths live\/a: keyLength "20" must be one of 16, 24, 32$/],
    ['srt: {paths: {a: {latency: 1s}}}', /:1:14: srt.paths a "a" is no stream path \(example: live\/test\)$/],
    ['srt: {passphrase: 0123456789}', /:1:19: srt.passphrase must be quoted, as it reads as a number$/],
    ['srt: {latencyy: 1s}', /:1:7: unknown key srt.latencyy; the nearest is srt.latency$/],
    ['upload: {concurrency: 1.5}', /headwater.yaml:1:23: upload.concurrency "1.5" must be a whole number/],
  ])('explains %s in a file', async (text, message) => {
    const problems = await problemsOf(['--config', await yaml(text)]);
    expect(problems).toEqual([typeof message === 'string' ? message : expect.stringMatching(message)]);
  });

  it('reports everything at once, with the place of each', async () => {
    const file = await yaml('rtmp:\n  listne: ":1"\nlog:\n  level: loud');
    const problems = await problemsOf(['--config', file, '--bogus'], { HEADWATER_CHUNK_SIZE: 'big' });
    expect(problems).toEqual([
      expect.stringMatching(/^unknown flag --bogus/),
      `${file}:2:3: unknown key rtmp.listne; the nearest is rtmp.listen`,
      'HEADWATER_CHUNK_SIZE "big" is no size (examples: 16MiB, 20M, 8388608)',
      `${file}:4:10: log.level "loud" must be one of debug, info, warn, error`,
    ]);
  });

  it('never repeats a secret', async () => {
    const problems = await problemsOf([
      '--config',
      await yaml('store: {s3: {secretAccessKey: hunter2, accessKeyId: [a]}}'),
    ]);
    expect(problems.join()).not.toContain('hunter2');
  });

  it('says that the file is missing', async () => {
    await expect(load(['--config', 'nowhere.yaml'])).rejects.toMatchObject({
      code: 'ERR_CONFIG_FILE',
      message: expect.stringContaining(`${cwd}/nowhere.yaml does not exist`),
    });
  });
});

describe('settings of a pod', () => {
  const pod = {
    HEADWATER_CLUSTER_MODE: 'kubernetes',
    HEADWATER_CLUSTER_NAMESPACE: 'n',
    HEADWATER_CLUSTER_POD_NAME: 'p',
    HEADWATER_CLUSTER_POD_IP: '10.0.0.1',
  };
  it.each([
    {
      name: 'its name and address',
      env: { ...pod, HEADWATER_CLUSTER_POD_IP: '' },
      want: /needs cluster\.podIp as well/,
    },
    { name: 'its internal port', env: { ...pod, HEADWATER_METRICS_ADDR: '' }, want: /--metrics-addr is off/ },
    { name: 'no folder beside it', env: { ...pod, HEADWATER_STREAMS: 'x' }, want: /both say which streams there are/ },
    { name: 'no recording of everything', env: { ...pod, HEADWATER_RECORD_ALL: 'true' }, want: /each LiveStream says/ },
  ])('need $name', async ({ env, want }) => {
    await expect(load([], env, true)).rejects.toThrow(want);
  });
});

describe('the table of settings', () => {
  it.each(SETTING_KEYS)('%s can be set by its variable of the environment', async (key) => {
    const samples: Record<string, string> = {
      address: ':7',
      boolean: 'false',
      choice: settingType(key).choices?.at(-1) ?? '',
      duration: '77ms',
      integer: '77',
      path: '/seven',
      ratio: '0.85',
      size: '7MiB',
      store: 's3://seven',
      text: 'seven',
      list: '[{"listen": ":7", "path": "live/seven"}]',
      map: '{"live/seven": {"latency": 77}}',
    };
    const own: Record<string, string> = {
      'store.s3.endpoint': 'http://seven',
      'srt.passphrase': 'seven seven',
      'srt.defaultPath': 'live/seven',
      'srt.idleTimeout': '7s',
    };
    // What keeps the sample from contradicting another setting.
    const beside: Record<string, Record<string, string>> = {
      'srt.encryption': { HEADWATER_SRT_PASSPHRASE: 'seven seven' },
      'rtmps.listen': { HEADWATER_TLS_CERT: 'c', HEADWATER_TLS_KEY: 'k' },
      'rtmps.cert': { HEADWATER_TLS_LISTEN: ':9', HEADWATER_TLS_KEY: 'k' },
      'rtmps.key': { HEADWATER_TLS_LISTEN: ':9', HEADWATER_TLS_CERT: 'c' },
      'cluster.mode': {
        HEADWATER_CLUSTER_NAMESPACE: 'n',
        HEADWATER_CLUSTER_POD_NAME: 'p',
        HEADWATER_CLUSTER_POD_IP: '10.0.0.1',
      },
      'record.fragmentDuration': { HEADWATER_RECORD_FRAGMENT_MINIMUM: '1ms' },
      'upload.retryMax': { HEADWATER_UPLOAD_RETRY_MIN: '1ms' },
      'store.s3.endpoint': { HEADWATER_STORE: 's3://bucket' },
      'store.s3.accessKeyId': { HEADWATER_STORE_S3_SECRET_ACCESS_KEY: 's' },
      'store.s3.secretAccessKey': { HEADWATER_STORE_S3_ACCESS_KEY_ID: 'a' },
    };
    const before: unknown = await load([], {}, true);
    const env = { ...beside[key], [environmentName(key)]: own[key] ?? samples[settingType(key).name]! };
    const after: unknown = await load([], env, true);
    const pick = (config: unknown) =>
      key.split('.').reduce((value, part) => (value as Record<string, unknown>)[part], config);
    expect(pick(after)).not.toEqual(pick(before));
  });

  it('gives every setting a name of its own', () => {
    expect(new Set(SETTING_KEYS.map(environmentName)).size).toBe(SETTING_KEYS.length);
    const flags = SETTING_KEYS.map((key) => SETTINGS[key].flag).filter((flag) => flag !== undefined);
    expect(new Set(flags).size).toBe(flags.length);
  });

  it('has no flag for a secret, but the one that people expect: other users of the machine can read a command line', () => {
    const flags = SETTING_KEYS.filter((key) => SETTINGS[key].secret).map((key) => SETTINGS[key].flag);
    expect(flags.filter((flag) => flag !== undefined)).toEqual(['srt-passphrase']);
  });
});
