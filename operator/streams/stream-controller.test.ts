import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StreamReport } from '../../crds/pod-status.ts';
import { Applier } from '../../kube/apply.ts';
import type { KubeObject } from '../../kube/kube-object.ts';
import { type Lease, microTime } from '../../kube/lease.ts';
import { MemoryApi } from '../../test/support/kube/memory-api.ts';
import { NO_LOG } from '../../test/support/kube/test-log.ts';
import { PUBLISHER, poolOf, storedStream, streamReport } from '../../test/support/operator-fixtures.ts';
import type { StoredStream } from '../compile/manifest.ts';
import { PodRegistry } from '../pods/pod-registry.ts';
import type { Policy, Secret } from '../watch/world.ts';
import { Children } from './children.ts';
import { Finalizer } from './finalizer.ts';
import { SecretReader } from './secret-reader.ts';
import { StreamController } from './stream-controller.ts';
import { StreamIndex } from './stream-index.ts';
import { StreamRecords } from './stream-records.ts';

const KEY = 'team-a/cam-1';
const ADDRESS = '10.0.0.1';

type Slice = KubeObject & { readonly addressType: string; readonly endpoints: readonly object[] };

let api: MemoryApi;
let pods: PodRegistry;
let controller: StreamController;
let now: number;
const stop = new AbortController();
const { signal } = stop;
/** What the watches of Services and EndpointSlices have seen: those with our label. */
let services: Map<string, KubeObject>;
let slices: Map<string, KubeObject>;

beforeEach(() => {
  api = new MemoryApi();
  now = Date.now();
  services = new Map();
  slices = new Map();
  const secrets = api.watched<Secret>('secrets');
  const streams = api.watched<StoredStream>('livestreams');
  pods = new PodRegistry({
    ...{ relayKey: () => 'key', log: NO_LOG, now: () => now, follow: async () => {} },
    ...{ onStream: () => {}, onPods: () => {}, onFinishedTombstones: () => {} },
  });
  const records = new StreamRecords(api.client, secrets, 'runtime', 'default');
  const finalizer = new Finalizer({
    ...{ client: api.client, records, streams, runtimeSecrets: secrets, runtimeNamespace: 'runtime', pool: 'default' },
    ...{ timeoutMs: 900_000, now: () => now },
  });
  controller = new StreamController({
    pool: poolOf(),
    podsFirstMs: 60_000,
    world: { streams, policies: api.watched<Policy>('recordingpolicies'), secrets },
    records,
    secrets: new SecretReader(api.client, secrets),
    children: new Children({
      client: api.client,
      applier: new Applier(api.client, 'headwater'),
      world: {
        secrets,
        services: api.watched('services', services),
        slices: api.watched('endpointslices', slices),
      },
    }),
    ...{ finalizer, index: new StreamIndex(() => {}), pods, dedicatedPortOf: () => null, log: NO_LOG, now: () => now },
    addressesFor: () => ({ rtmp: undefined, rtmps: undefined, srt: undefined }),
    ...{ onWritten: () => {}, onPlanned: () => {}, onEvent: () => {} },
  });
  api.put('livestreams', storedStream() as never);
  beat();
});
afterEach(() => pods.heartbeat('pod-ingest-0', undefined));

function beat(): void {
  const annotations = { 'headwater.dev/address': ADDRESS, 'headwater.dev/internal-port': '9090' };
  const lease = { metadata: { annotations }, spec: { renewTime: microTime(Date.now()) } };
  pods.heartbeat('pod-ingest-0', lease as unknown as Lease);
}

/** The pod says this of the stream, which is then looked at until nothing is news. */
async function told(report: Partial<StreamReport>): Promise<void> {
  pods.take('ingest-0', {
    ...{ kind: 'changes', pod: 'ingest-0', at: '', draining: false, spoolPersistent: true },
    ...{ streams: [streamReport(report)], gone: [], finishedTombstones: [] },
  });
  await settle();
}
async function settle(): Promise<void> {
  await controller.reconcile(KEY, signal);
  await controller.reconcile(KEY, signal);
}
const reasons = () => controller.planOf('uid-1')?.compiled.problems.map(({ reason }) => reason);
const slice = () => api.find<Slice>('endpointslices', KEY);

it('what was decided is said of the generation that was looked at, until the newer one is', async () => {
  await settle();
  api.put('livestreams', storedStream({ suspend: true }, { generation: 2 }) as never);
  expect(controller.planOf('uid-1')?.generation).toBe(1);
  await settle();
  expect(controller.planOf('uid-1')?.generation).toBe(2);
});

describe('a name that is another’s', () => {
  const FOREIGN = { apiVersion: 'v1', metadata: { namespace: 'team-a', name: 'cam-1' } };
  const RESOURCES = [
    { kind: 'Service', plural: 'services' },
    { kind: 'EndpointSlice', plural: 'endpointslices' },
  ];

  beforeEach(() => told({}));

  it.each(RESOURCES)('is looked at again when nobody publishes any more: a $kind', async ({ kind, plural }) => {
    api.put(plural, { ...FOREIGN, kind });
    await told({ publisher: PUBLISHER });
    expect(reasons()).toEqual(['NameTaken']);
    await told({ publisher: null });
    expect(reasons()).toEqual(['NameTaken']);
    api.drop(plural, KEY);
    await settle();
    expect(reasons()).toEqual([]);
  });

  it.each(RESOURCES)(
    'is looked at again when no pod is there, and nothing is made: a $kind',
    async ({ kind, plural }) => {
      api.put(plural, { ...FOREIGN, kind });
      await told({ publisher: PUBLISHER });
      pods.heartbeat('pod-ingest-0', undefined);
      await settle();
      expect(reasons()).toEqual(['NameTaken']);
      api.drop(plural, KEY);
      await settle();
      expect(reasons()).toEqual([]);
      expect(slice()).toBeUndefined();
    },
  );
});

describe('the EndpointSlice', () => {
  const led = () => slice()?.endpoints.map((endpoint) => (endpoint as { addresses: string[] }).addresses[0]);

  beforeEach(async () => {
    await told({ publisher: PUBLISHER });
    expect(led()).toEqual([ADDRESS]);
  });

  it('keeps the address of a pod that is gone while the pool may be restarting, and no longer', async () => {
    pods.heartbeat('pod-ingest-0', undefined);
    now += 19_000;
    await settle();
    expect(led()).toEqual([ADDRESS]);
    now += 2_000;
    await settle();
    expect(slice()).toMatchObject({ addressType: 'IPv4', endpoints: [] });
    beat();
    await settle();
    expect(led()).toEqual([ADDRESS]);
  });

  it('keeps the address of a pod that is silent until the pod counts as gone', async () => {
    now += 50_000;
    pods.tick();
    await settle();
    expect(led()).toEqual([ADDRESS]);
  });
});
