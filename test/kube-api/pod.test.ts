import { existsSync, mkdirSync, statSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { signRequest } from '../../crds/internal-request.ts';
import { ANNOTATIONS, LABELS, SECRET_TYPES } from '../../crds/names.ts';
import { INTERNAL_PATHS, POD_REPORT, type PodReport } from '../../crds/pod-status.ts';
import type { StreamConfig } from '../../crds/stream-config.ts';
import { findAccess, KubeClient } from '../../kube/client.ts';
import type { Lease } from '../../kube/lease.ts';
import { pathOf, SECRETS } from '../../kube/resource.ts';
import { AAC_48, AVC_720, drawn, header } from '../support/drawn-media.ts';
import { ControlPlane } from '../support/kube/control-plane.ts';
import { filesBelow } from '../support/recording.ts';
import { RtmpPublisher } from '../support/rtmp-client.ts';
import { type Server, startServer } from '../support/server.ts';
import { streamConfig } from '../support/stream-config.ts';
import { TempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

const NAMESPACE = 'runtime';
const RELAY_KEY = 'relay-key-of-the-test';
const KEY = 'key-of-the-test';

let dir: TempDir;
let plane: ControlPlane;
let client: KubeClient;
let server: Server | undefined;
let folder: string;
let uids = 0;

beforeAll(async () => {
  dir = new TempDir('pod');
  plane = await ControlPlane.start({ dir: dir.join('plane'), controllers: '-*' });
  client = new KubeClient({ access: await findAccess(plane.kubeconfig) });
  await plane.kubectl('create', 'namespace', NAMESPACE);
  await apply({ name: 'relay-key', type: 'Opaque', data: { key: RELAY_KEY } });
});
afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await plane[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

beforeEach(() => {
  folder = dir.join(`server-${++uids}`);
});
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  server = undefined;
});

/** Without kubectl, whose start would be a part of what is measured. */
async function apply(secret: {
  readonly name: string;
  readonly type: string;
  readonly data: Readonly<Record<string, string>>;
  readonly uid?: string;
  readonly path?: string;
}): Promise<void> {
  const { name, type, data, uid, path } = secret;
  await client.request({
    method: 'PATCH',
    path: pathOf(SECRETS, { namespace: NAMESPACE, name }),
    query: { fieldManager: 'test', force: true },
    contentType: 'application/apply-patch+yaml',
    body: {
      apiVersion: 'v1',
      kind: 'Secret',
      type,
      metadata: {
        ...{ name, namespace: NAMESPACE },
        ...(uid && { labels: { [LABELS.uid]: uid } }),
        ...(path && { annotations: { [ANNOTATIONS.stream]: path } }),
      },
      data: Object.fromEntries(
        Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
      ),
    },
  });
}

const put = (config: StreamConfig, text = JSON.stringify(config)): Promise<void> =>
  apply({
    ...{ name: `s-${config.uid}`, uid: config.uid, path: config.path },
    ...{ type: SECRET_TYPES.streamConfig, data: { 'config.json': text } },
  });

const configOf = (name: string): StreamConfig =>
  streamConfig({
    ...{ path: `team/${name}`, uid: `uid-${name}-${uids}` },
    recording: {
      store: { url: `file://${folder}/bucket`, endpoint: null, region: null, forcePathStyle: null, credentials: null },
      ...{ format: 'fmp4', segmentDurationMs: 1000, segmentPattern: null, onFull: 'DropOldest' },
    },
  });

async function start(): Promise<Server> {
  const env = {
    HEADWATER_CLUSTER_MODE: 'kubernetes',
    HEADWATER_CLUSTER_NAMESPACE: NAMESPACE,
    HEADWATER_CLUSTER_POD_NAME: 'ingest-0',
    HEADWATER_CLUSTER_POD_IP: '10.1.2.3',
    HEADWATER_CLUSTER_KUBECONFIG: plane.kubeconfig,
  };
  mkdirSync(folder, { recursive: true });
  server = await startServer({ env, dir: folder });
  return server;
}

async function ask(path: string, sign = true): Promise<Response> {
  const { metrics } = server!.ports;
  const authorization = signRequest(RELAY_KEY, 'GET', path, Date.now() / 1000);
  return fetch(`http://127.0.0.1:${metrics}${path}`, { headers: sign ? { authorization } : {} });
}

async function report(): Promise<PodReport> {
  return POD_REPORT.parse(await (await ask(INTERNAL_PATHS.status)).json());
}

async function streamOf(uid: string): Promise<PodReport['streams'][number] | undefined> {
  return (await report()).streams.find((stream) => stream.uid === uid);
}

async function lease(name: string): Promise<Lease | undefined> {
  const text = await plane.kubectl('get', 'lease', '-n', NAMESPACE, name, '-o', 'json', '--ignore-not-found');
  return text.trim() === '' ? undefined : (JSON.parse(text) as Lease);
}

async function publish({ path }: StreamConfig, key = KEY): Promise<RtmpPublisher> {
  const publisher = await RtmpPublisher.connect(`${server!.rtmp(path)}?key=${key}`);
  await publisher.publish();
  for (const { type, timestamp, body } of [header(AVC_720), header(AAC_48), ...drawn('KapapapapapapapapapaKapapapapK')])
    await publisher.send(type, timestamp, body);
  return publisher;
}

const isOver = ({ connection: { socket } }: RtmpPublisher): boolean => socket.destroyed || socket.readableEnded;

describe('a pod', () => {
  it('serves what its namespace says, tells how that goes, and says that it lives', async () => {
    const a = configOf('a');
    await start();
    await expect(publish(a)).rejects.toMatchObject({ code: 'NetStream.Publish.Denied' });
    const began = performance.now();
    await put(a);
    await waitFor('the stream', async () => (await streamOf(a.uid))?.revision === 'r1', { everyMs: 10 });
    expect(performance.now() - began).toBeLessThan(1_000);

    const events = await follow();
    await using publisher = await publish(a);
    const told = await waitFor('the publisher', () => events.find((each) => each.publisher?.video));
    expect(told).toMatchObject({
      ...{ uid: a.uid, path: a.path, revision: 'r1', refusal: null },
      publisher: { protocol: 'RTMP', video: 'h264 1280x720', audio: 'aac 48000', usesPreviousKey: false },
      recording: { problem: null },
    });
    const claim = await waitFor('the claim', () => lease(`c-${a.uid}`));
    expect(claim.spec.holderIdentity).toBe('ingest-0');
    expect(claim.metadata.annotations).toMatchObject({
      [ANNOTATIONS.stream]: a.path,
      [ANNOTATIONS.publication]: told.publisher!.pub,
      [ANNOTATIONS.epoch]: String(told.publisher!.epoch),
    });
    const beat = await waitFor('a heartbeat', () => lease('pod-ingest-0'));
    expect(beat.metadata.annotations).toEqual({
      [ANNOTATIONS.address]: '10.1.2.3',
      [ANNOTATIONS.internalPort]: String(server!.ports.metrics),
      [ANNOTATIONS.draining]: 'false',
    });
    await waitFor(
      'the next heartbeat',
      async () => (await lease('pod-ingest-0'))!.spec.renewTime !== beat.spec.renewTime,
    );

    const suspendedAt = Date.now();
    await put({ ...a, revision: 'r2', state: 'suspended' });
    await waitFor('the publisher to be cut', () => isOver(publisher), { everyMs: 5 });
    const { time } = await server!.log.waitForLog('publication ended', { stream_key: a.path });
    expect(Date.parse(time as string) - suspendedAt).toBeLessThan(1_000);
    const ended = await waitFor('its end', () => events.at(-1)?.publisher === null && events.at(-1));
    expect(ended).toMatchObject({ revision: 'r2' });
    const released = await waitFor('the claim to be released', async () => {
      const now = await lease(`c-${a.uid}`);
      return now?.spec.holderIdentity ? undefined : now;
    });
    expect(released.metadata.annotations![ANNOTATIONS.lastMediaAt]).toMatch(/^\d{4}-/);

    await put({ ...a, revision: 'r3' }, '{"version":2}');
    const refused = await waitFor('the refusal', () => events.findLast((each) => each.refusal !== null));
    expect(refused).toMatchObject({ revision: 'r2', refusal: expect.stringContaining('this version cannot read') });

    const stopping = server!.stop();
    await stopping;
    expect(await lease('pod-ingest-0')).toBeUndefined();
    const log = server!.log.tail();
    expect(log).not.toContain(KEY);
    expect(log).not.toContain(RELAY_KEY);
  });

  it('tells nobody who has no key of the pool', async () => {
    await start();
    expect((await ask(INTERNAL_PATHS.status, false)).status).toBe(401);
    expect((await ask(INTERNAL_PATHS.events, false)).status).toBe(401);
    expect((await ask(INTERNAL_PATHS.tombstones)).status).toBe(200);
    const authorization = signRequest(RELAY_KEY, 'GET', INTERNAL_PATHS.status, Date.now() / 1000 - 120);
    const url = `http://127.0.0.1:${server!.ports.metrics}${INTERNAL_PATHS.status}`;
    expect((await fetch(url, { headers: { authorization } })).status).toBe(401);
  });

  it('goes on without the API server, and starts without it', async () => {
    const [a, b] = [configOf('a'), configOf('b')];
    await put(a);
    await put(b);
    await start();
    await using first = await publish(a);
    await waitFor('the claim', () => lease(`c-${a.uid}`));
    const snapshot = `${folder}/spool/.streams/snapshot.json`;
    await waitFor('the snapshot', () => existsSync(snapshot));
    expect(statSync(snapshot).mode & 0o777).toBe(0o600);
    await plane.killApiServer();
    await using second = await publish(b);
    expect([isOver(first), isOver(second)]).toEqual([false, false]);
    await server!.kill();
    await start();
    await server!.waitForLog('streams as they were known last are in force', { streams: 2 });
    await using third = await publish(a);
    await plane.startApiServer();
    const { publisher } = (await streamOf(a.uid))!;
    const settled = await waitFor('the claim', async () => {
      const now = await lease(`c-${a.uid}`);
      return now?.metadata.annotations?.[ANNOTATIONS.publication] === publisher!.pub ? now : undefined;
    });
    expect(Number(settled.metadata.annotations![ANNOTATIONS.epoch])).toBe(publisher!.epoch);
    expect(settled.spec.leaseTransitions).toBe(2);
    expect(isOver(third)).toBe(false);

    // What was removed while the pod was away is gone when it is back.
    await server!.kill();
    await plane.kubectl('delete', 'secret', '-n', NAMESPACE, `s-${b.uid}`);
    await start();
    expect((await report()).streams.map(({ uid }) => uid)).not.toContain(b.uid);
    await expect(publish(b)).rejects.toMatchObject({ code: 'NetStream.Publish.Denied' });
  });

  it('deletes recordings by tombstones, and says when they are gone', async () => {
    const a = configOf('a');
    const again = { ...a, uid: `${a.uid}-again` };
    await put(a);
    await start();
    await (await publish(a)).stop();
    const stored = () => filesBelow(`${folder}/bucket`).filter((file) => file.endsWith('.mp4'));
    const isStored = async () => (await streamOf(a.uid))?.recording?.backlogBytes === 0 && stored().length > 0;
    await waitFor('it to be stored', isStored);
    const old = stored();
    await plane.kubectl('delete', 'secret', '-n', NAMESPACE, `s-${a.uid}`);
    await put(again);
    await waitFor('the new stream', async () => (await streamOf(again.uid))?.revision);
    await (await publish(again)).stop();
    await waitFor('it to be stored', () => stored().length > old.length);
    const tombstone = {
      version: 1,
      uid: a.uid,
      path: a.path,
      stores: [a.recording!.store],
      requestedAt: '2026-01-01T00:00:00Z',
    };
    await apply({
      ...{ name: `d-${a.uid}`, uid: a.uid, path: a.path },
      ...{ type: SECRET_TYPES.tombstone, data: { 'tombstone.json': JSON.stringify(tombstone) } },
    });
    const done = async () => ((await (await ask(INTERNAL_PATHS.tombstones)).json()) as { done: string[] }).done;
    await waitFor('the end', async () => (await done()).includes(a.uid));
    expect((await report()).finishedTombstones).toContain(a.uid);
    expect(stored().filter((file) => old.includes(file))).toEqual([]);
    expect(stored().length).toBeGreaterThan(0);
    await plane.kubectl('delete', 'secret', '-n', NAMESPACE, `d-${a.uid}`);
    await waitFor('it to be forgotten', async () => !(await done()).includes(a.uid));
  });
});

/** Reports of streams as they come. */
async function follow(): Promise<PodReport['streams'][number][]> {
  const streams: PodReport['streams'][number][] = [];
  const response = await ask(INTERNAL_PATHS.events);
  expect(response.headers.get('content-type')).toBe('application/x-ndjson');
  void (async () => {
    let text = '';
    for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
      const lines = (text + piece).split('\n');
      text = lines.pop()!;
      for (const line of lines) streams.push(...POD_REPORT.parse(JSON.parse(line)).streams);
    }
  })().catch(() => {});
  return streams;
}
