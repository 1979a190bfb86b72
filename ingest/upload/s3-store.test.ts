import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeS3, type S3Answer } from '../../test/support/fake-s3.ts';
import { keptLog, type Logged } from '../../test/support/spooled-segments.ts';
import { TempDir } from '../../test/support/temp-dir.ts';
import { DEFAULTS } from '../config/defaults.ts';
import type { SegmentSource } from './object-store.ts';
import type { S3Settings } from './s3-connection.ts';
import { S3Store } from './s3-store.ts';

const FOREVER = new AbortController().signal;
const MIB = 1024 * 1024;
const SECRET = 'not-to-be-seen-anywhere';
let dir: TempDir;
let s3: FakeS3;
let lines: Logged[];
let opened: S3Store[];

beforeEach(async () => {
  dir = new TempDir('s3');
  s3 = await FakeS3.start();
  lines = [];
  opened = [];
});

afterEach(async () => {
  for (const store of opened) await store[Symbol.asyncDispose]();
  await s3[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

function store(settings: Partial<S3Settings> = {}, multipartAbove = 64 * MIB, partSize = 16 * MIB): S3Store {
  const made = new S3Store({
    bucket: 'rec',
    prefix: 'pre',
    settings: {
      ...DEFAULTS.store.s3,
      endpoint: s3.endpoint,
      accessKeyId: 'key',
      secretAccessKey: SECRET,
      requestTimeout: 2000,
      ...settings,
    },
    multipartAbove,
    partSize,
    concurrency: 4,
    log: keptLog(lines),
  });
  opened.push(made);
  return made;
}

function segment(name = 'a.mp4', bytes = randomBytes(300_000)): SegmentSource {
  const file = dir.join(name);
  writeFileSync(file, bytes);
  return {
    file,
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    contentType: 'video/mp4',
  };
}

function code(fault: string) {
  return expect.objectContaining({ code: fault });
}

describe('a put', () => {
  it('carries length, both checksums and a condition, and is confirmed by the checksum in the answer', async () => {
    const source = segment();
    expect(await store().putSegment('live/a b.mp4', source, FOREVER)).toEqual({ wasPresent: false });
    const put = s3.requests.find(({ method }) => method === 'PUT')!;
    expect(put.path).toBe('/rec/pre/live/a b.mp4');
    expect(put.headers).toMatchObject({
      'content-length': String(source.bytes),
      'content-type': 'video/mp4',
      'x-amz-checksum-sha256': Buffer.from(source.sha256, 'hex').toString('base64'),
      'x-amz-content-sha256': source.sha256,
      'if-none-match': '*',
    });
    expect(put.headers['transfer-encoding']).toBeUndefined();
    expect(put.headers.expect).toBeUndefined();
    expect(createHash('sha256').update(put.body).digest('hex')).toBe(source.sha256);
  });

  it.each<{ name: string; answer: S3Answer; want: string }>([
    { name: '503 SlowDown', answer: { status: 503, code: 'SlowDown' }, want: 'ERR_STORE_SLOW_DOWN' },
    { name: '503 of another kind', answer: { status: 503, code: 'ServiceUnavailable' }, want: 'ERR_STORE_UNAVAILABLE' },
    { name: '500', answer: { status: 500, code: 'InternalError' }, want: 'ERR_STORE_UNAVAILABLE' },
    { name: '429', answer: { status: 429, code: 'Whatever' }, want: 'ERR_STORE_SLOW_DOWN' },
    { name: '403 of a wrong secret', answer: { status: 403, code: 'SignatureDoesNotMatch' }, want: 'ERR_STORE_ACCESS' },
    { name: '403 of a policy', answer: { status: 403, code: 'AccessDenied' }, want: 'ERR_STORE_ACCESS' },
    { name: '400 of an old token', answer: { status: 400, code: 'ExpiredToken' }, want: 'ERR_STORE_ACCESS' },
    { name: '404 of the bucket', answer: { status: 404, code: 'NoSuchBucket' }, want: 'ERR_STORE_NO_BUCKET' },
    { name: '507', answer: { status: 507, code: 'Full' }, want: 'ERR_STORE_FULL' },
    { name: '400 of the checksum', answer: { status: 400, code: 'BadDigest' }, want: 'ERR_STORE_CHECKSUM' },
    { name: '400 of anything else', answer: { status: 400, code: 'KeyTooLongError' }, want: 'ERR_STORE_REFUSED' },
    {
      name: '409 of a race',
      answer: { status: 409, code: 'ConditionalRequestConflict' },
      want: 'ERR_STORE_UNAVAILABLE',
    },
    { name: 'a connection cut', answer: 'reset', want: 'ERR_STORE_UNREACHABLE' },
    { name: 'an answer cut off', answer: 'cut', want: 'ERR_STORE_UNREACHABLE' },
    { name: 'no answer', answer: 'silence', want: 'ERR_STORE_TIMEOUT' },
  ])('$name is $want', async ({ answer, want }) => {
    s3.fault = ({ method }) => (method === 'PUT' ? answer : undefined);
    const attempt = store({ requestTimeout: 300 }).putSegment('a.mp4', segment('a.mp4', randomBytes(1000)), FOREVER);
    await expect(attempt).rejects.toEqual(code(want));
    await expect(attempt).rejects.not.toThrow(SECRET);
    expect(s3.count('PUT'), 'retries are the uploader’s').toBe(1);
  });

  it('to where nobody listens is ERR_STORE_UNREACHABLE', async () => {
    const gone = store({ endpoint: `http://127.0.0.1:${s3.port}` });
    await s3[Symbol.asyncDispose]();
    await expect(gone.putSegment('a.mp4', segment(), FOREVER)).rejects.toEqual(code('ERR_STORE_UNREACHABLE'));
    s3 = await FakeS3.start();
  });

  it('ends at once when it is given up', async () => {
    s3.fault = () => 'silence';
    const giveUp = new AbortController();
    const attempt = store({ requestTimeout: 60_000 }).putSegment('a.mp4', segment(), giveUp.signal);
    setTimeout(() => giveUp.abort(new Error('enough')), 50);
    await expect(attempt).rejects.toThrow('enough');
  });

  it('of a file whose length is wrong sends nothing', async () => {
    const source = { ...segment(), bytes: 17 };
    await expect(store().putSegment('a.mp4', source, FOREVER)).rejects.toEqual(code('ERR_STORE_CHECKSUM'));
    expect(s3.count('PUT')).toBe(0);
  });

  it('of a file with a flipped bit is refused by the store', async () => {
    const source = segment();
    writeFileSync(source.file, randomBytes(source.bytes));
    await expect(store().putSegment('a.mp4', source, FOREVER)).rejects.toEqual(code('ERR_STORE_CHECKSUM'));
    expect(s3.objects.size).toBe(0);
  });

  it('that the store has damaged is not confirmed', async () => {
    s3.corrupt = (body) => Buffer.from(body.map((byte, i) => (i === 7 ? byte ^ 1 : byte)));
    await expect(store().putSegment('a.mp4', segment(), FOREVER)).rejects.toEqual(code('ERR_STORE_CHECKSUM'));
    // With a store that returns no checksum, what it holds is read back.
    s3.hasChecksums = false;
    await expect(store().putSegment('b.mp4', segment(), FOREVER)).rejects.toEqual(code('ERR_STORE_CHECKSUM'));
    s3.corrupt = (body) => body;
    expect(await store().putSegment('c.mp4', segment(), FOREVER)).toEqual({ wasPresent: false });
  });

  it('in parts that arrives damaged is a checksum failure, too; only a checksum that the store has said is stated', async () => {
    const put = (key: string) =>
      store({}, MIB, 5 * MIB).putSegment(key, segment('l.mp4', randomBytes(6 * MIB)), FOREVER);
    expect(await put('a.mp4')).toEqual({
      wasPresent: false,
      parts: { partBytes: 5 * MIB, sha256: s3.objects.get('/rec/pre/a.mp4')?.checksum },
    });
    s3.hasChecksums = false;
    expect(await put('b.mp4')).toEqual({ wasPresent: false });
    s3.corrupt = (body) => Buffer.from(body.map((byte, i) => (i === 7 ? byte ^ 1 : byte)));
    await expect(put('c.mp4')).rejects.toEqual(code('ERR_STORE_CHECKSUM'));
    s3.hasChecksums = true;
    await expect(put('d.mp4')).rejects.toEqual(code('ERR_STORE_CHECKSUM'));
  });
});

describe('a key that is taken', () => {
  it('by the same segment is success, by another a conflict', async () => {
    const [mine, other] = [segment('a.mp4'), segment('b.mp4')];
    const to = store();
    await to.swap('proof.json', Buffer.from('{}'), 'application/json', undefined, FOREVER);
    await to.putSegment('a.mp4', mine, FOREVER);
    expect(await to.putSegment('a.mp4', mine, FOREVER)).toEqual({ wasPresent: true });
    await expect(to.putSegment('a.mp4', other, FOREVER)).rejects.toEqual(code('ERR_STORE_CONFLICT'));
    expect(s3.objects.get('/rec/pre/a.mp4')?.body.length).toBe(mine.bytes);
    expect(await to.findSegment('a.mp4', mine, FOREVER)).toEqual({ wasPresent: true });
    expect(await to.findSegment('a.mp4', other, FOREVER)).toBeUndefined();
    expect(await to.findSegment('c.mp4', mine, FOREVER)).toBeUndefined();
  });

  it.each(['ignored', 'refused'] as const)('is not overwritten where conditions are %s', async (conditions) => {
    s3.conditions = conditions;
    const [mine, other] = [segment('a.mp4'), segment('b.mp4')];
    const to = store();
    await to.putSegment('a.mp4', mine, FOREVER);
    await to.swap('first.json', Buffer.from('{}'), 'application/json', undefined, FOREVER);
    await expect(to.putSegment('a.mp4', other, FOREVER)).rejects.toEqual(code('ERR_STORE_CONFLICT'));
    expect(await to.putSegment('a.mp4', mine, FOREVER)).toEqual({ wasPresent: true });
    expect(lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  it.each(['ignored', 'refused'] as const)('conditions %s, but required: nothing goes on', async (conditions) => {
    s3.conditions = conditions;
    const to = store({ conditionalWrites: 'required' });
    await expect(to.swap('x.json', Buffer.from('{}'), 'x', undefined, FOREVER)).rejects.toEqual(
      code('ERR_STORE_UNSUPPORTED'),
    );
  });

  it('is looked at before each put where conditions are off, and none is sent', async () => {
    const to = store({ conditionalWrites: 'off' });
    await to.putSegment('a.mp4', segment('a.mp4'), FOREVER);
    await to.swap('x.json', Buffer.from('{}'), 'x', undefined, FOREVER);
    await expect(to.putSegment('a.mp4', segment('b.mp4'), FOREVER)).rejects.toEqual(code('ERR_STORE_CONFLICT'));
    const conditions = s3.requests.flatMap(({ headers }) => [headers['if-none-match'], headers['if-match']]);
    expect(conditions.filter(Boolean)).toEqual([]);
  });

  it('may not be looked at: the condition alone has to do', async () => {
    s3.fault = ({ method }) => (method === 'HEAD' ? { status: 403, code: 'AccessDenied' } : undefined);
    expect(await store().putSegment('a.mp4', segment(), FOREVER)).toEqual({ wasPresent: false });
  });
});

describe('a small object', () => {
  it('is written only where it is what was read', async () => {
    const to = store();
    const first = await to.swap('x.json', Buffer.from('1'), 'application/json', undefined, FOREVER);
    const second = await to.swap('x.json', Buffer.from('2'), 'application/json', first, FOREVER);
    await expect(to.swap('x.json', Buffer.from('3'), 'x', first, FOREVER)).rejects.toEqual(code('ERR_STORE_CHANGED'));
    await expect(to.swap('x.json', Buffer.from('3'), 'x', undefined, FOREVER)).rejects.toEqual(
      code('ERR_STORE_CHANGED'),
    );
    await expect(to.swap('gone.json', Buffer.from('3'), 'x', first, FOREVER)).rejects.toEqual(
      code('ERR_STORE_CHANGED'),
    );
    expect(await to.read('x.json', FOREVER)).toEqual({ bytes: Buffer.from('2'), version: second });
    expect(await to.read('none.json', FOREVER)).toBeUndefined();
  });

  it('that is cut off while it is read is no object', async () => {
    s3.fault = ({ method }) => (method === 'GET' ? 'cut' : undefined);
    await expect(store().read('x.json', FOREVER)).rejects.toThrow(/^ERR_STORE_UN/);
  });

  it('is listed, over as many answers as it takes', async () => {
    const to = store();
    for (const name of ['a', 'b', 'c', 'd', 'e'])
      await to.swap(`f/${name}.json`, Buffer.from('1'), 'x', undefined, FOREVER);
    const names = (await to.list('f/', FOREVER)).map(({ name }) => name);
    expect(names.filter((name) => name !== 'below')).toEqual(['a.json', 'b.json', 'c.json', 'd.json', 'e.json']);
    expect(names).toContain('below');
  });
});

describe('credentials', () => {
  it('in a file are read anew after they were refused', async () => {
    const credentialsFile = dir.join('credentials');
    writeFileSync(credentialsFile, '[default]\naws_access_key_id = wrong\naws_secret_access_key = wrong\n');
    s3.fault = ({ headers }) =>
      headers.authorization?.includes('Credential=right/') ? undefined : { status: 403, code: 'InvalidAccessKeyId' };
    const to = store({ accessKeyId: null, secretAccessKey: null, credentialsFile });
    await expect(to.putSegment('a.mp4', segment(), FOREVER)).rejects.toEqual(code('ERR_STORE_ACCESS'));
    writeFileSync(credentialsFile, 'accessKeyId: right\nsecretAccessKey: right\n');
    expect(await to.putSegment('a.mp4', segment(), FOREVER)).toEqual({ wasPresent: false });
  });

  it('that the SDK finds in a profile are read anew as well', async () => {
    const profile = dir.join('profile');
    const before = { ...process.env };
    try {
      process.env.AWS_SHARED_CREDENTIALS_FILE = profile;
      process.env.AWS_CONFIG_FILE = dir.join('none');
      process.env.AWS_EC2_METADATA_DISABLED = 'true';
      writeFileSync(profile, '[default]\naws_access_key_id = wrong\naws_secret_access_key = wrong\n');
      s3.fault = ({ headers }) =>
        headers.authorization?.includes('Credential=right/') ? undefined : { status: 403, code: 'InvalidAccessKeyId' };
      const to = store({ accessKeyId: null, secretAccessKey: null });
      await expect(to.putSegment('a.mp4', segment(), FOREVER)).rejects.toEqual(code('ERR_STORE_ACCESS'));
      writeFileSync(profile, '[default]\naws_access_key_id = right\naws_secret_access_key = right\n');
      expect(await to.putSegment('a.mp4', segment(), FOREVER)).toEqual({ wasPresent: false });
    } finally {
      process.env = before;
    }
  });

  it('that are missing are ERR_STORE_ACCESS, and no secret is in the message', async () => {
    const credentialsFile = dir.join('credentials');
    const to = store({ accessKeyId: null, secretAccessKey: null, credentialsFile });
    await expect(to.read('x', FOREVER)).rejects.toEqual(code('ERR_STORE_ACCESS'));
    writeFileSync(credentialsFile, `secretAccessKey: ${SECRET}\n`);
    await expect(to.read('x', FOREVER)).rejects.toThrow(/needs accessKeyId/);
    await expect(to.read('x', FOREVER)).rejects.not.toThrow(SECRET);
  });
});

/** A TCP proxy that flips one bit of what the client sends, at a byte of the stream. */
async function flippingProxy(to: number, at: number) {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(to, '127.0.0.1');
    let passed = 0;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
    }
    client.on('data', (bytes) => {
      if (passed <= at && at < passed + bytes.length) (bytes as Buffer)[at - passed]! ^= 4;
      passed += bytes.length;
      upstream.write(bytes);
    });
    upstream.pipe(client);
    client.on('close', () => upstream.destroy());
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  return {
    port: (server.address() as { port: number }).port,
    [Symbol.dispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

it('a bit that flips on the way is refused by the store, wherever it is in the body', async () => {
  for (const at of [5000, 150_000, 299_000]) {
    using proxy = await flippingProxy(s3.port, at);
    const through = store({ endpoint: `http://127.0.0.1:${proxy.port}`, conditionalWrites: 'off' });
    s3.fault = ({ method }) => (method === 'HEAD' ? { status: 403, code: 'AccessDenied' } : undefined);
    const source = segment(`${at}.mp4`);
    await expect(through.putSegment(`${at}.mp4`, source, FOREVER)).rejects.toThrow(/^ERR_STORE_CHECKSUM/);
    expect(s3.objects.has(`/rec/pre/${at}.mp4`)).toBe(false);
    expect(s3.requests.filter(({ method }) => method === 'PUT').at(-1)?.body.length).toBe(source.bytes);
  }
});
