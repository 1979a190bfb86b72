import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { CreateMultipartUploadCommand, ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULTS } from '../../ingest/config/defaults.ts';
import type { SegmentSource } from '../../ingest/upload/object-store.ts';
import { S3Store } from '../../ingest/upload/s3-store.ts';
import { Minio } from '../support/minio.ts';
import { keptLog } from '../support/spooled-segments.ts';
import { TempDir } from '../support/temp-dir.ts';

const FOREVER = new AbortController().signal;
const MIB = 1024 * 1024;
let dir: TempDir;
let minio: Minio;
let store: S3Store;
let client: S3Client;

beforeAll(async () => {
  dir = new TempDir('minio-store');
  minio = await Minio.start();
  const { endpoint, accessKeyId, secretAccessKey } = minio;
  store = new S3Store({
    bucket: minio.bucket,
    prefix: 'a/b',
    settings: { ...DEFAULTS.store.s3, endpoint, accessKeyId, secretAccessKey },
    multipartAbove: 12 * MIB,
    partSize: 5 * MIB,
    concurrency: 4,
    log: keptLog(),
  });
  const credentials = { accessKeyId, secretAccessKey };
  client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
});

afterAll(async () => {
  client.destroy();
  await store[Symbol.asyncDispose]();
  await minio[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

function segment(bytes: number): SegmentSource {
  const content = randomBytes(bytes);
  const file = dir.join(`${createHash('md5').update(content).digest('hex')}.mp4`);
  writeFileSync(file, content);
  return { file, bytes, sha256: createHash('sha256').update(content).digest('hex'), contentType: 'video/mp4' };
}

function code(fault: string) {
  return expect.objectContaining({ code: fault });
}

async function uploadsUnderWay(): Promise<number> {
  return (await client.send(new ListMultipartUploadsCommand({ Bucket: minio.bucket }))).Uploads?.length ?? 0;
}

describe.each([
  { size: 'whole', bytes: 2 * MIB + 1 },
  { size: 'in parts', bytes: 23 * MIB + 5 },
])('MinIO takes a segment $size', ({ size, bytes }) => {
  it('once, and never another under its name', async () => {
    const [mine, other] = [segment(bytes), segment(bytes)];
    const key = `${size}/straße 100% é+.mp4`;
    const stored = await store.putSegment(key, mine, FOREVER);
    expect(stored).toMatchObject({ wasPresent: false });
    expect(stored.parts?.sha256).toEqual(bytes > 12 * MIB ? expect.stringMatching(/-5$/) : undefined);
    expect(await store.putSegment(key, mine, FOREVER)).toEqual({ ...stored, wasPresent: true });
    await expect(store.putSegment(key, other, FOREVER)).rejects.toEqual(code('ERR_STORE_CONFLICT'));
    expect(await store.findSegment(key, mine, FOREVER)).toEqual({ ...stored, wasPresent: true });
    expect(await store.findSegment(key, other, FOREVER)).toBeUndefined();
    const object = (await minio.objects()).find((each) => each.key === `a/b/${key}`)!;
    expect(createHash('sha256').update(object.bytes).digest('hex')).toBe(mine.sha256);
    expect(await uploadsUnderWay()).toBe(0);
  });

  it('not when its file no longer has its checksum', async () => {
    const source = { ...segment(bytes), sha256: segment(10).sha256 };
    await expect(store.putSegment(`${size}/damaged.mp4`, source, FOREVER)).rejects.toEqual(code('ERR_STORE_CHECKSUM'));
    expect((await minio.keys()).filter((key) => key.includes('damaged'))).toEqual([]);
    expect(await uploadsUnderWay()).toBe(0);
  });
});

it('parts that a crash left behind go with the next attempt', async () => {
  const { bucket: Bucket } = minio;
  await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'a/b/left.mp4' }));
  await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'a/b/left.mp4' }));
  expect(await uploadsUnderWay()).toBe(2);
  await store.putSegment('left.mp4', segment(13 * MIB), FOREVER);
  expect(await uploadsUnderWay()).toBe(0);
});

it('small objects are swapped by version, listed and read', async () => {
  const first = await store.swap('r/x.json', Buffer.from('1'), 'application/json', undefined, FOREVER);
  await expect(store.swap('r/x.json', Buffer.from('2'), 'x', undefined, FOREVER)).rejects.toEqual(
    code('ERR_STORE_CHANGED'),
  );
  await store.swap('r/x.json', Buffer.from('2'), 'application/json', first, FOREVER);
  await expect(store.swap('r/x.json', Buffer.from('3'), 'x', first, FOREVER)).rejects.toEqual(
    code('ERR_STORE_CHANGED'),
  );
  await expect(store.swap('r/y.json', Buffer.from('3'), 'x', first, FOREVER)).rejects.toEqual(
    code('ERR_STORE_CHANGED'),
  );
  await store.swap('r/below/z.json', Buffer.from('3'), 'application/json', undefined, FOREVER);
  expect((await store.read('r/x.json', FOREVER))?.bytes.toString()).toBe('2');
  expect(await store.read('r/none.json', FOREVER)).toBeUndefined();
  expect(await store.list('r/', FOREVER)).toEqual([
    { name: 'x.json', bytes: 1 },
    { name: 'below', bytes: undefined },
  ]);
});
