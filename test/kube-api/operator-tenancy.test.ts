import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KubeObject } from '../../kube/kube-object.ts';
import { SECRETS } from '../../kube/resource.ts';
import { LIVE_STREAMS, RECORDING_POLICIES } from '../../operator/watch/resources.ts';
import type { IngestPod } from '../support/kube/ingest-pod.ts';
import { hasCondition, KubeApiRun } from '../support/kube/kube-api-run.ts';
import { LivePublisher } from '../support/kube/live-publisher.ts';
import type { OperatorReplica } from '../support/kube/operator-replica.ts';
import type { Release } from '../support/kube/release.ts';
import { filesBelow } from '../support/recording.ts';
import { waitFor } from '../support/wait-for.ts';

const TENANT = 'team-a';
const OTHER = 'team-b';
const FORBIDDEN = 'finance';
/** The one dedicated SRT port of the pool, which no other test uses. */
const PORT = 24_110;

let run: KubeApiRun;
let release: Release;
let operator: OperatorReplica;
let pod: IngestPod;
let bucket: string;

beforeAll(async () => {
  run = await KubeApiRun.start('tenancy', { addresses: 1 });
  for (const namespace of [TENANT, OTHER, FORBIDDEN]) await run.plane.kubectl('create', 'namespace', namespace);
  release = await run.install({
    set: [
      'pool.allowedNamespaces={team-*}',
      'pool.maxStreamsPerNamespace=3',
      'pool.allowedStoreEndpoints={https://*.s3.example.com}',
      'streams.protocols={RTMP,SRT}',
      ...[`from=${PORT}`, `to=${PORT}`, 'enabled=true', 'serviceType=ClusterIP'].map(
        (each) => `srt.dedicatedPorts.${each}`,
      ),
    ],
  });
  bucket = run.dir.join('bucket');
  // A folder for a bucket: what is said of stores here is said of names, and what is in them is looked at.
  const more = { pool: { store: { url: `file://${bucket}` }, recording: { segmentDuration: '1s' } } };
  operator = await (await release.operator({ more })).waitUntilReady();
  pod = await release.ingest(0, run.addresses[0]!);
});
afterAll(async () => {
  await pod?.[Symbol.asyncDispose]();
  await operator?.[Symbol.asyncDispose]();
  await run[Symbol.asyncDispose]();
});

/** Reason and message of a condition that is not true. */
async function complaint(
  namespace: string,
  name: string,
  type = 'Accepted',
): Promise<{ reason: string; message: string }> {
  return waitFor(`${name} to be refused`, async () => {
    const stream = await run.stream(namespace, name);
    if (!hasCondition(stream, type, 'False')) return null;
    return stream.status?.conditions?.find((each) => each.type === type) as
      | { reason: string; message: string }
      | undefined;
  });
}

const isReady = async (namespace: string, name: string): Promise<boolean> =>
  hasCondition(await run.stream(namespace, name), 'Ready');
const remove = (namespace: string, name: string) =>
  run.plane.kubectl('-n', namespace, 'delete', 'lstream', name, '--timeout=30s');

describe('who may use the pool, and for what', () => {
  it('a namespace that is not allowed: nothing is made', async () => {
    const { metadata } = await run.createStream(FORBIDDEN, 'cam-1');
    expect(await complaint(FORBIDDEN, 'cam-1')).toMatchObject({
      reason: 'NotPermitted',
      message:
        'The pool default does not serve namespace finance: ask for it to be added to allowedNamespaces, or name another pool.',
    });
    const place = { namespace: release.runtimeNamespace, name: `s-${metadata.uid}` };
    await expect(run.client.get(SECRETS, place)).rejects.toMatchObject({ code: 'ERR_KUBE_NOT_FOUND' });
  });

  it('a fourth LiveStream where three are allowed waits until one goes; older ones are served', async () => {
    for (const name of ['one', 'two', 'three']) await run.createStream(OTHER, name);
    await delay(1100); // creation times are whole seconds
    await run.createStream(OTHER, 'four');
    expect(await complaint(OTHER, 'four')).toMatchObject({ reason: 'TooManyStreams' });
    for (const name of ['one', 'two', 'three']) await waitFor(`${name} to be ready`, () => isReady(OTHER, name));
    await remove(OTHER, 'two');
    await waitFor('the fourth to be ready', () => isReady(OTHER, 'four'));
    for (const name of ['one', 'three', 'four']) await remove(OTHER, name);
  });

  it('who is refused takes no dedicated port from others, and has it when there is room', async () => {
    const dedicated = { ingest: { dedicatedPort: true, protocols: ['SRT'] } };
    await run.createStream(FORBIDDEN, 'box', dedicated);
    expect(await complaint(FORBIDDEN, 'box')).toMatchObject({ reason: 'NotPermitted' });
    for (const name of ['one', 'two', 'three']) await run.createStream(OTHER, name);
    await delay(1100); // creation times are whole seconds
    await run.createStream(OTHER, 'box', dedicated);
    expect(await complaint(OTHER, 'box')).toMatchObject({ reason: 'TooManyStreams' });
    await run.createStream(TENANT, 'box', dedicated);
    await waitFor('it to be ready', () => isReady(TENANT, 'box'));
    expect((await run.stream(TENANT, 'box')).status?.effective.srt.dedicatedPort).toBe(PORT);
    await remove(TENANT, 'box');
    await remove(OTHER, 'one');
    await waitFor('the fourth to be ready', () => isReady(OTHER, 'box'));
    for (const name of ['box', 'two', 'three']) await remove(OTHER, name);
  });

  it.each([
    { name: 'bucket', store: { bucket: 'theirs' } },
    { name: 'prefix', store: { prefix: 'theirs' } },
    { name: 'endpoint', store: { endpoint: 'https://evil.s3.example.com' } },
  ])('a $name of its own without credentials of its own is refused by the API server', async ({ name, store }) => {
    await expect(run.createStream(TENANT, `store-${name}`, { recording: { enabled: true, store } })).rejects.toThrow(
      'needs credentials of its own: add credentialsSecretRef',
    );
  });

  it('an endpoint that the pool does not allow is refused, credentials or not; one that it allows is taken', async () => {
    await run.client.create(SECRETS, {
      ...{ apiVersion: 'v1', kind: 'Secret', metadata: { namespace: TENANT, name: 'store' } },
      stringData: { accessKeyId: 'id', secretAccessKey: 'secret' },
    } as KubeObject);
    const policy = (endpoint: string) => ({
      apiVersion: 'headwater.dev/v1alpha1',
      kind: 'RecordingPolicy',
      metadata: { namespace: TENANT, name: 'archive' },
      spec: { store: { bucket: 'video', endpoint, credentialsSecretRef: { name: 'store' } } },
    });
    await run.client.create(RECORDING_POLICIES, policy('https://evil.example.com') as KubeObject);
    await run.createStream(TENANT, 'elsewhere', { recording: { enabled: true, policyRef: { name: 'archive' } } });
    expect(await complaint(TENANT, 'elsewhere')).toMatchObject({ reason: 'StoreNotAllowed' });
    // An edit of the policy reaches those who use it.
    const spec = policy('https://eu.s3.example.com').spec;
    await run.client.merge(RECORDING_POLICIES, { namespace: TENANT, name: 'archive' }, { spec });
    const stream = await waitFor('it to be accepted', async () => {
      const found = await run.stream(TENANT, 'elsewhere');
      return hasCondition(found, 'Accepted') && found;
    });
    expect(stream.status?.effective.recording).toMatchObject({
      location: 's3://video/team-a/elsewhere/',
      endpoint: 'https://eu.s3.example.com',
      credentials: 'Secret',
    });
    await remove(TENANT, 'elsewhere');
  });
});

describe('recordings are of one LiveStream, not of a name', () => {
  const files = (path: string): string[] =>
    filesBelow(`${bucket}/${path}`).filter((file) => /\.(mp4|m3u8|json)$/.test(file));

  /** Records for some seconds, and waits until all of it is in the store. */
  async function record(name: string, deletionPolicy: 'Retain' | 'Delete') {
    const segments = (): number => files(`${TENANT}/${name}`).filter((file) => file.endsWith('.mp4')).length;
    const before = segments();
    await run.createStream(TENANT, name, { recording: { enabled: true, deletionPolicy } });
    await waitFor(`${name} to be ready`, () => isReady(TENANT, name));
    const { data } = await run.client.get<KubeObject & { data: Record<string, string> }>(SECRETS, {
      namespace: TENANT,
      name: `${name}-ingest`,
    });
    const key = Buffer.from(data.rtmpKey!, 'base64').toString();
    const live = await LivePublisher.start(`${pod.rtmp(`${TENANT}/${name}`)}?key=${key}`);
    await waitFor('segments in the store', () => segments() >= before + 2);
    await live[Symbol.asyncDispose]();
    await waitFor('all of it stored', async () => {
      const { status } = await run.stream(TENANT, name);
      const { current, backlogBytes } = status?.recording ?? {};
      return status?.phase === 'Idle' && current === undefined && backlogBytes === 0;
    });
    return files(`${TENANT}/${name}`);
  }

  it('one made again under the same name does not touch those of the one before, nor does its deletion', async () => {
    const former = await record('again', 'Retain');
    await remove(TENANT, 'again');
    expect(files(`${TENANT}/again`)).toEqual(former);
    const both = await record('again', 'Delete');
    expect(both.length).toBeGreaterThan(former.length);
    await remove(TENANT, 'again');
    await waitFor('its own recordings to be gone', async () => {
      const left = files(`${TENANT}/again`);
      return left.length === former.length && left.every((file) => former.includes(file));
    });
    expect(files(`${TENANT}/again`)).toEqual(former);
    await waitFor('the tombstone to be gone', async () => {
      const secrets = await run.list<KubeObject & { type: string }>(SECRETS, release.runtimeNamespace);
      return secrets.every(({ type }) => type !== 'headwater.dev/tombstone');
    });
  });

  it('a LiveStream whose recordings are to go with it is held, and let go when that is written down', async () => {
    await record('held', 'Delete');
    await waitFor('the finalizer', async () =>
      (await run.stream(TENANT, 'held')).metadata.finalizers?.includes('headwater.dev/recordings'),
    );
    await pod[Symbol.asyncDispose]();
    // Without a pod nobody could say that nothing is left: the annotation says not to ask.
    const place = { namespace: TENANT, name: 'held' };
    await run.client.merge(LIVE_STREAMS, place, {
      metadata: { annotations: { 'headwater.dev/force-delete': 'true' } },
    });
    const { metadata } = await run.stream(TENANT, 'held');
    await remove(TENANT, 'held');
    const tombstone = { namespace: release.runtimeNamespace, name: `d-${metadata.uid}` };
    expect(await run.client.get(SECRETS, tombstone)).toMatchObject({ type: 'headwater.dev/tombstone' });
    expect(files(`${TENANT}/held`)).not.toEqual([]);
    pod = await release.ingest(0, run.addresses[0]!);
    await waitFor('its recordings to be gone', () => files(`${TENANT}/held`).length === 0);
    await waitFor('the tombstone to be gone', () =>
      run.client.get(SECRETS, tombstone).then(
        () => false,
        () => true,
      ),
    );
  });
});
