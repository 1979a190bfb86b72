import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KubeObject } from '../../kube/kube-object.ts';
import { SERVICES } from '../../kube/resource.ts';
import { dedicatedServiceName } from '../../operator/compile/dedicated-ports.ts';
import { LIVE_STREAMS } from '../../operator/watch/resources.ts';
import { KubeApiRun } from '../support/kube/kube-api-run.ts';
import type { OperatorReplica } from '../support/kube/operator-replica.ts';
import type { Release } from '../support/kube/release.ts';
import { waitFor } from '../support/wait-for.ts';

const TENANT = 'team-a';
const PORT = 20_000;
/** Within which drift is mended. */
const MENDED_MS = 2000;

interface Service extends KubeObject {
  readonly spec: {
    readonly type: string;
    readonly selector: Readonly<Record<string, string>>;
    readonly ports: readonly { readonly port: number }[];
  };
}

let run: KubeApiRun;
let release: Release;
let operator: OperatorReplica;

beforeAll(async () => {
  run = await KubeApiRun.start('dedicated-service', { addresses: 1 });
  await run.plane.kubectl('create', 'namespace', TENANT);
  const ports = ['enabled=true', 'serviceType=ClusterIP'].map((each) => `srt.dedicatedPorts.${each}`);
  release = await run.install({ set: ['streams.protocols={RTMP,SRT}', ...ports] });
  operator = await (await release.operator()).waitUntilReady();
});
afterAll(async () => {
  await operator?.[Symbol.asyncDispose]();
  await run[Symbol.asyncDispose]();
});

const place = () => ({ namespace: release.namespace, name: dedicatedServiceName(release.name) });

async function find(): Promise<Service | undefined> {
  const all = await run.list<Service>(SERVICES, release.namespace);
  return all.find(({ metadata }) => metadata.name === place().name);
}

/** All of it that the operator has a say in. */
const essence = ({ metadata: { labels }, spec: { type, selector, ports } }: Service) => ({
  labels,
  type,
  selector,
  ports,
});

describe('the Service of dedicated SRT ports', () => {
  it('is not taken from another who has its name, and is made once that is gone', async () => {
    const spec = {
      selector: { app: 'theirs' },
      ports: [{ name: 'theirs', port: 80, targetPort: 80, protocol: 'TCP' }],
    };
    const object = { apiVersion: 'v1', kind: 'Service', metadata: { ...place(), labels: { app: 'theirs' } }, spec };
    const theirs = await run.client.create<Service>(SERVICES, object as unknown as Service);
    await run.createStream(TENANT, 'early', { ingest: { dedicatedPort: true } });
    await operator.log.waitForLog('dedicated ports: the name of their Service is taken', { service: place().name });
    await run.client.remove(LIVE_STREAMS, { namespace: TENANT, name: 'early' }, undefined);
    await waitFor('it to be gone', async () => (await run.list(LIVE_STREAMS, TENANT)).length === 0);
    await run.createStream(TENANT, 'box', { ingest: { dedicatedPort: true } });
    await waitFor(
      'its port',
      async () => (await run.stream(TENANT, 'box')).status?.effective?.srt?.dedicatedPort === PORT,
    );
    const { metadata } = (await find())!;
    expect([metadata.uid, metadata.resourceVersion]).toEqual([theirs.metadata.uid, theirs.metadata.resourceVersion]);

    await run.client.remove(SERVICES, place(), theirs.metadata.uid);
    const ours = await waitFor('ours', find, { timeoutMs: MENDED_MS });
    expect(ours.spec.ports).toMatchObject([{ port: PORT, targetPort: PORT, protocol: 'UDP' }]);
  });

  it('is made again with the same values when it is deleted', async () => {
    const before = (await find())!;
    const began = performance.now();
    await run.client.remove(SERVICES, place(), before.metadata.uid);
    const after = await waitFor('it to be back', async () => {
      const found = await find();
      return found?.metadata.uid !== before.metadata.uid && found;
    });
    expect(performance.now() - began).toBeLessThan(MENDED_MS);
    expect(essence(after)).toEqual(essence(before));
  });

  it('is put right when another edits it, and what is the other’s stays', async () => {
    const before = essence((await find())!);
    await run.client.merge(SERVICES, place(), { metadata: { labels: { team: 'a' } } });
    const began = performance.now();
    const ports = [{ ...before.ports[0], targetPort: 9, name: 'other' }];
    const edit = { metadata: { labels: { 'headwater.dev/pool': 'other' } }, spec: { selector: { a: 'b' }, ports } };
    await run.client.merge(SERVICES, place(), edit);
    const expected = { ...before, labels: { ...before.labels, team: 'a' } };
    await waitFor('it to be put right', async () => {
      const { selector, ...others } = essence((await find())!);
      const { selector: wanted, ...wantedOthers } = expected;
      const isThere = Object.entries(wanted).every(([key, value]) => selector[key] === value);
      return isThere && isDeepStrictEqual(others, wantedOthers);
    });
    expect(performance.now() - began).toBeLessThan(MENDED_MS);
  });
});
