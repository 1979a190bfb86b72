import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseRecording } from '../../ingest/spool/recording-document.ts';
import { AAC_48, AVC_720, drawn, header } from '../support/drawn-media.ts';
import { Minio } from '../support/minio.ts';
import { filesBelow } from '../support/recording.ts';
import { RtmpPublisher } from '../support/rtmp-client.ts';
import { type Server, startServer } from '../support/server.ts';
import { TempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

/** Two seconds with a keyframe each. */
const MEDIA = 'KapapapapapapapapapaKapapapapapapapapapa';
const KEY = 'key-of-the-test';

let dir: TempDir;
let stores: { readonly one: Minio; readonly other: Minio };
let server: Server;

beforeAll(async () => {
  dir = new TempDir('stream-stores');
  mkdirSync(dir.join('streams'));
  mkdirSync(dir.join('server'));
  const [one, other] = await Promise.all([Minio.start(), Minio.start()]);
  stores = { one, other };
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await stores.one[Symbol.asyncDispose]();
  await stores.other[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

function write(file: string, text: string): void {
  writeFileSync(dir.join('new'), text);
  renameSync(dir.join('new'), dir.join('streams', file));
}

function secret(name: string, values: Readonly<Record<string, string>>): string {
  return `---\n${JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'team' }, stringData: values })}\n`;
}

function stream(name: string, recording: object): string {
  return `---\n${JSON.stringify({
    apiVersion: 'headwater.dev/v1alpha1',
    kind: 'LiveStream',
    metadata: { name, namespace: 'team' },
    spec: {
      credentials: { secretRef: { name: 'keys' } },
      recording: { enabled: true, segmentDuration: '1s', ...recording },
    },
  })}\n`;
}

const own = ({ bucket, endpoint }: Minio, credentials: string, prefix: string) => ({
  store: { bucket, endpoint, prefix, credentialsSecretRef: { name: credentials } },
});

async function record(name: string): Promise<void> {
  await using publisher = await RtmpPublisher.connect(`${server.rtmp(`team/${name}`)}?key=${KEY}`);
  await publisher.publish();
  for (const { type, timestamp, body } of [header(AVC_720), header(AAC_48), ...drawn(MEDIA)]) {
    await publisher.send(type, timestamp, body);
  }
  await publisher.stop();
}

async function start(): Promise<void> {
  server = await startServer({ dir: dir.join('server'), args: ['--streams', dir.join('streams')] });
}

/** Folders of closed recordings of a stream in a bucket, with the uid each is of. */
async function closedIn(store: Minio, folder: string): Promise<{ readonly folder: string; readonly owner: string }[]> {
  const documents = (await store.objects()).filter(
    ({ key }) => key.startsWith(folder) && key.endsWith('/recording.json'),
  );
  return documents
    .map(({ key, bytes }) => ({ folder: key.slice(0, -'recording.json'.length), ...parseRecording(bytes) }))
    .filter(({ closed }) => closed)
    .map(({ folder: where, owner }) => ({ folder: where, owner }));
}

const stateOf = (name: string) =>
  JSON.parse(readFileSync(dir.join('server/spool/.streams/state.json'), 'utf8')).streams[`team/${name}`] as
    | { readonly uid: string }
    | undefined;

it('each stream goes to its own store, over a crash and a change of credentials; what is deleted is its own', async () => {
  const good = { accessKeyId: stores.one.accessKeyId, secretAccessKey: stores.one.secretAccessKey };
  write('keys.yaml', secret('keys', { rtmpKey: KEY, srtPassphrase: 'passphrase-0123' }) + secret('good', good));
  write('other.yaml', secret('other', { ...good, secretAccessKey: 'not-the-secret-of-it' }));
  write(
    'streams.yaml',
    stream('a', own(stores.one, 'good', 'a/b')) +
      stream('b', own(stores.other, 'other', '')) +
      stream('c', {}) +
      stream('d', own(stores.one, 'good', '')),
  );
  await start();
  for (const name of ['a', 'b', 'c', 'd']) await record(name);

  const [a] = await waitFor('a', async () => nonEmpty(await closedIn(stores.one, 'a/b/team/a/')));
  expect(a!.owner).toBe(stateOf('a')!.uid);
  await waitFor('d', async () => nonEmpty(await closedIn(stores.one, 'team/d/')));
  await waitFor('c', () =>
    filesBelow(server.store).some((file) => file.includes('team/c/') && file.endsWith('recording.json')),
  );
  // A store that refuses one stream's credentials holds up no other stream.
  await waitFor(
    'b to be refused',
    async () => (await server.stream('team/b'))?.upload?.store.code === 'ERR_STORE_ACCESS',
  );
  expect(await stores.other.keys()).toEqual([]);

  await server.kill();
  await start();
  await waitFor(
    'b to be refused again',
    async () => (await server.stream('team/b'))?.upload?.store.code === 'ERR_STORE_ACCESS',
  );
  // Credentials are in one file that only this user may read, and in no journal.
  const holders = execFileSync('grep', [
    '-rlaF',
    '-e',
    'not-the-secret-of-it',
    '-e',
    good.secretAccessKey,
    dir.join('server'),
  ])
    .toString()
    .trim()
    .split('\n');
  expect(holders).toEqual([dir.join('server/spool/.streams/state.json')]);

  write('other.yaml', secret('other', good));
  const [b] = await waitFor('b', async () => nonEmpty(await closedIn(stores.other, 'team/b/')));
  expect(b!.owner).toBe(stateOf('b')!.uid);
  await waitFor('the spool to be empty', async () => (await server.stream('team/b'))?.upload?.store.code === undefined);

  // d is made again under its name: its recordings so far are those of another stream.
  const before = stateOf('d')!.uid;
  write('streams.yaml', stream('a', own(stores.one, 'good', 'a/b')));
  await waitFor('d and b to be forgotten', () => stateOf('d') === undefined && stateOf('b') === undefined);
  write(
    'streams.yaml',
    stream('a', own(stores.one, 'good', 'a/b')) +
      stream('d', { ...own(stores.one, 'good', ''), deletionPolicy: 'Delete' }),
  );
  await waitFor('d to be there again', () => stateOf('d') !== undefined);
  await record('d');
  await waitFor('the new d', async () => (await closedIn(stores.one, 'team/d/')).length === 2);
  const kept = (await stores.one.keys()).filter((key) => key.startsWith('a/'));
  const old = (await closedIn(stores.one, 'team/d/')).find(({ owner }) => owner === before)!;
  write('streams.yaml', stream('a', own(stores.one, 'good', 'a/b')));
  await server.waitForLog('recordings deleted', { stream_key: 'team/d', recordings: 1 });
  const left = await stores.one.keys();
  expect(left.filter((key) => key.startsWith('a/'))).toEqual(kept);
  expect(left.filter((key) => key.startsWith('team/d/')).every((key) => key.startsWith(old.folder))).toBe(true);
  expect(left).toContain(`${old.folder}recording.json`);
  // Removed with deletionPolicy Retain: all is still there.
  expect(await closedIn(stores.other, 'team/b/')).toEqual([b]);
});

function nonEmpty<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length > 0 ? list : undefined;
}
