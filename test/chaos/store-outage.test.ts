import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { type ManifestPage, parsePage } from '../../ingest/spool/manifest.ts';
import { parseRecording } from '../../ingest/spool/recording-document.ts';
import { type BucketObject, Minio } from '../support/minio.ts';
import { framesIn, NumberedStream } from '../support/numbered-stream.ts';
import { filesBelow } from '../support/recording.ts';
import { type Server, startServer } from '../support/server.ts';
import { StoreProxy } from '../support/store-proxy.ts';
import { makeClip } from '../support/synthetic-media.ts';
import { TempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

const PATH = 'live/test';
const OUTAGE_MS = 60_000;
const FPS = 25;
/** A viewer on this busy machine never waits longer for the next frame, whatever the store does. */
const VIEWER_PATIENCE_MS = 1500;

interface Setting {
  readonly dir: TempDir;
  readonly minio: Minio;
  readonly proxy: StoreProxy;
}

function writeKeys({ dir, minio }: Setting, secret = minio.secretAccessKey): void {
  writeFileSync(dir.join('keys'), `accessKeyId: ${minio.accessKeyId}\nsecretAccessKey: ${secret}\n`);
}

/** The server, recording through the proxy into the bucket. */
function serve({ dir, minio, proxy }: Setting): Promise<Server> {
  return startServer({
    dir: dir.path,
    ownStore: true,
    args: [
      ...['--store', `s3://${minio.bucket}/here`, '--s3-endpoint', proxy.endpoint],
      ...['--spool', dir.join('spool'), '--segment-duration', '2s'],
    ],
    env: {
      HEADWATER_STORE_S3_CREDENTIALS_FILE: dir.join('keys'),
      HEADWATER_SHUTDOWN_FLUSH: '1s',
      HEADWATER_UPLOAD_RETRY_MAX: '3s',
      HEADWATER_UPLOAD_INDEX_INTERVAL: '2s',
    },
  });
}

const backlog = (server: Server) => server.metric('headwater_upload_backlog_segments');

function drained(server: Server, what: string): Promise<unknown> {
  // One segment may be on its way at any time while the stream goes on.
  return waitFor(`the backlog to drain ${what}`, async () => (await backlog(server)) <= 1, { timeoutMs: 60_000 });
}

/** Everything that the bucket says of one publication. */
interface Stored {
  readonly pages: readonly ManifestPage[];
  readonly segments: readonly BucketObject[];
  readonly frames: readonly { readonly number: number | undefined; readonly hash: string }[];
}

/** Reads a publication as its manifest has it, and checks each object against it. */
async function readPublication(objects: readonly BucketObject[], pub: string): Promise<Stored> {
  const byKey = new Map(objects.map((object) => [object.key, object]));
  const pages = objects
    .filter(({ key }) => key.includes(`/pub/`) && key.includes(pub))
    .map(({ bytes }) => parsePage(bytes));
  const segments: BucketObject[] = [];
  const frames = [];
  for (const entry of pages.flatMap((page) => page.entries)) {
    const object = byKey.get(`here/${entry.key}`)!;
    expect(createHash('sha256').update(object.bytes).digest('hex'), entry.key).toBe(entry.sha256);
    segments.push(object);
    frames.push(...(await framesIn(object.bytes)));
  }
  const named = new Set(segments.map(({ key }) => key));
  const unnamed = objects.filter(({ key }) => key.includes(pub) && key.endsWith('.mp4') && !named.has(key));
  expect(
    unnamed.map(({ key }) => key),
    'objects that no manifest names',
  ).toEqual([]);
  return { pages, segments, frames };
}

/** The publication of each recording in the bucket, the oldest first. */
function publicationsIn(objects: readonly BucketObject[]): string[] {
  const documents = objects
    .filter(({ key }) => key.endsWith('/recording.json'))
    .map(({ bytes }) => parseRecording(bytes));
  documents.sort((a, b) => a.publications[0]!.epoch - b.publications[0]!.epoch);
  for (const document of documents) expect(document.closed).toBe(true);
  return documents.map(({ publications }) => publications[0]!.pub);
}

function allStored(server: Server): Promise<unknown> {
  return waitFor(
    'everything to be stored',
    () => filesBelow(server.spool).every((file) => !/\.(mp4|part)$|journal$/.test(file)),
    {
      timeoutMs: 60_000,
    },
  );
}

/** The server says that the store is away, or still away, for this reason. */
function toldUnavailable(server: Server, code: string, after = 0): Promise<unknown> {
  return waitFor(`the log to say that the store is unavailable with ${code}`, () =>
    server.log.records.slice(after).some((record) => /^store .*unavailable/.test(record.msg) && record.code === code),
  );
}

it('a store that is away, refuses, crawls and is busy costs nothing, and viewers do not notice', {
  timeout: 240_000,
}, async () => {
  using dir = new TempDir('outage');
  await using minio = await Minio.start();
  await using proxy = await StoreProxy.start(minio.port);
  const setting = { dir, minio, proxy };
  const clip = await makeClip({ fps: FPS, videoKbps: 300 });
  writeKeys(setting);
  const streams: NumberedStream[] = [];
  {
    await using server = await serve(setting);
    await using stream = await NumberedStream.start(server, PATH, clip);
    streams.push(stream);
    await waitFor('a segment in the bucket', async () => (await minio.keys()).some((key) => key.endsWith('.mp4')));
    await minio.down();
    await delay(OUTAGE_MS / 2);
    expect(await backlog(server)).toBeGreaterThan(5);
    expect(server.log.all('store unavailable')).toHaveLength(1);
    expect(server.log.all('store unavailable')[0]).toMatchObject({ level: 'WARN', code: 'ERR_STORE_UNREACHABLE' });
    // A restart in the middle of it; what wasn't stored waits in the spool.
    writeKeys(setting, 'wrong');
    expect(await server.stop()).toEqual({ code: 0, signal: null });
  }
  {
    await using server = await serve(setting);
    await using stream = await NumberedStream.start(server, PATH, clip, 500_000);
    streams.push(stream);
    await delay(OUTAGE_MS / 2);
    await minio.up();
    await toldUnavailable(server, 'ERR_STORE_ACCESS');
    const waiting = await backlog(server);
    expect(waiting).toBeGreaterThan(20);
    writeKeys(setting);
    await server.waitForLog('store available again');
    await drained(server, 'after the outage');

    proxy.set({ kind: 'slow', bytesPerSecond: 15_000 });
    await waitFor('a backlog behind a slow store', async () => (await backlog(server)) >= 3, { timeoutMs: 30_000 });
    proxy.set({ kind: 'pass' });
    await drained(server, 'after the slow time');

    const before = server.log.records.length;
    proxy.set({ kind: 'busy' });
    // A connection that the proxy cut as it changed its mind may be noticed first: then it is «still» unavailable.
    await toldUnavailable(server, 'ERR_STORE_SLOW_DOWN', before);
    await waitFor('a backlog behind a busy store', async () => (await backlog(server)) >= 3, { timeoutMs: 30_000 });
    proxy.set({ kind: 'pass' });
    await drained(server, 'after the busy time');

    await stream.stop();
    await allStored(server);
    expect(JSON.stringify(server.log.records)).not.toContain(minio.secretAccessKey);
  }

  const objects = await minio.objects();
  const pubs = publicationsIn(objects);
  expect(pubs).toHaveLength(2);
  for (const [index, pub] of pubs.entries()) {
    const stream = streams[index]!;
    const { pages, segments, frames } = await readPublication(objects, pub);
    expect(pages.flatMap(({ gaps }) => gaps)).toEqual([]);
    expect(pages.flatMap(({ entries }) => entries.map(({ seq }) => seq))).toEqual(segments.map((_, i) => i + 1));
    // Every frame, once, in order, bit by bit; none is missing that a viewer has seen.
    expect(frames.map(({ number }) => number)).toEqual(frames.map((_, i) => i));
    expect(frames.map(({ hash }) => hash)).toEqual(stream.sent.slice(0, frames.length));
    expect(frames.length).toBeGreaterThan(stream.seen.at(-1)!);
    // Stored in their order.
    const times = segments.map(({ storedAt }) => storedAt.getTime());
    expect(times).toEqual([...times].sort((a, b) => a - b));
    // And the viewer got every frame from its first on, without a wait.
    const [first] = stream.seen;
    expect(stream.seen).toEqual(stream.seen.map((_, i) => first! + i));
    expect(stream.longestWait).toBeLessThan(VIEWER_PATIENCE_MS);
  }
});

/** Flips one bit halfway through a file. */
function flipBitIn(file: string): Buffer {
  const bytes = readFileSync(file);
  bytes[bytes.length >> 1]! ^= 0x20;
  writeFileSync(file, bytes);
  return bytes;
}

function spooled(server: Server, suffix: RegExp): string[] {
  return filesBelow(server.spool)
    .filter((file) => suffix.test(file))
    .map((file) => join(server.spool, file));
}

it('a flipped bit on the way, in a closed segment or in a .part is found, and never stored', {
  timeout: 120_000,
}, async () => {
  using dir = new TempDir('flip');
  await using minio = await Minio.start();
  await using proxy = await StoreProxy.start(minio.port);
  const setting = { dir, minio, proxy };
  const clip = await makeClip({ fps: FPS, videoKbps: 300 });
  writeKeys(setting);
  const damaged: Buffer[] = [];
  let stream: NumberedStream;
  {
    await using server = await serve(setting);
    stream = await NumberedStream.start(server, PATH, clip);
    await using _stream = stream;

    proxy.set({ kind: 'flip' });
    await server.waitForLog('upload failed, trying again', { code: 'ERR_STORE_CHECKSUM' });
    expect(proxy.flips).toBe(1);
    await drained(server, 'after the flip on the way');
    expect(server.log.all('segment damaged on disk')).toEqual([]);

    proxy.set({ kind: 'busy' });
    const closed = await waitFor('two closed segments to wait', () => {
      const files = spooled(server, /\.mp4$/);
      return files.length >= 2 && files;
    });
    damaged.push(flipBitIn(closed.at(-1)!));
    proxy.set({ kind: 'pass' });
    await server.waitForLog('segment damaged on disk');
    await drained(server, 'after the damage');

    proxy.set({ kind: 'busy' });
    const [part] = await waitFor('a .part of some size', () => {
      const files = spooled(server, /\.part$/).filter((file) => readFileSync(file).length > 40_000);
      return files.length > 0 && files;
    });
    await server.kill();
    // It may have been closed in the last moment.
    const left = spooled(server, /\.part$/).includes(part!) ? part! : part!.replace(/\.part$/, '');
    damaged.push(flipBitIn(left));
  }
  proxy.set({ kind: 'pass' });
  await using server = await serve(setting);
  await allStored(server);

  const objects = await minio.objects();
  const [pub, ...more] = publicationsIn(objects);
  expect(more).toEqual([]);
  const { pages, frames } = await readPublication(objects, pub!);
  for (const bytes of damaged) expect(objects.some((object) => object.bytes.equals(bytes))).toBe(false);
  // What is stored is what was sent, bit by bit …
  const numbers = frames.map(({ number }) => number!);
  for (const { number, hash } of frames) expect(hash, `frame ${number}`).toBe(stream.sent[number!]);
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  // … and whatever is missing lies in a declared gap.
  const gaps = pages.flatMap((page) => page.gaps);
  expect(gaps.map(({ cause }) => cause)).toContain('damaged');
  const offset = pages.at(-1)!.sourceDtsOffset!;
  const missing = Array.from({ length: numbers.at(-1)! }, (_, n) => n).filter((n) => !numbers.includes(n));
  expect(missing.length).toBeGreaterThan(0);
  for (const number of missing) {
    const at = stream.dts[number]! * 90 - offset;
    const isDeclared = gaps.some(({ from, to = Number.POSITIVE_INFINITY }) => from <= at && at < to);
    expect(isDeclared, `frame ${number} at ${at} is missing; gaps: ${JSON.stringify(gaps)}`).toBe(true);
  }
});
