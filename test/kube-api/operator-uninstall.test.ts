import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FINALIZER, type PUBLISH_SECRET_KEYS } from '../../crds/names.ts';
import { KubeError } from '../../kube/kube-error.ts';
import type { KubeObject } from '../../kube/kube-object.ts';
import { type Resource, SECRETS, SERVICES } from '../../kube/resource.ts';
import { LIVE_STREAMS } from '../../operator/watch/resources.ts';
import type { IngestPod } from '../support/kube/ingest-pod.ts';
import { hasCondition, KubeApiRun } from '../support/kube/kube-api-run.ts';
import { LivePublisher } from '../support/kube/live-publisher.ts';
import type { OperatorReplica } from '../support/kube/operator-replica.ts';
import type { Release } from '../support/kube/release.ts';
import { type Exit, start } from '../support/process.ts';
import { SrtCaller } from '../support/srt-caller.ts';
import { waitFor } from '../support/wait-for.ts';

const TENANT = 'team-a';
const CLI = join(import.meta.dirname, '../../cli.ts');
const DEDICATED = 'hw-srt-dedicated';
/** Ports that no other test uses. */
const FIRST_PORT = 24_100;

type Secret = KubeObject & { readonly type: string; readonly data: Readonly<Record<string, string>> };
type Service = KubeObject & { readonly spec: { readonly ports: readonly { readonly port: number }[] } };

let run: KubeApiRun;
let release: Release;
let operator: OperatorReplica;
let pod: IngestPod;

beforeAll(async () => {
  run = await KubeApiRun.start('uninstall', { addresses: 1 });
  await run.plane.kubectl('create', 'namespace', TENANT);
  const ports = [`from=${FIRST_PORT}`, `to=${FIRST_PORT + 1}`, 'enabled=true', 'serviceType=ClusterIP'];
  release = await run.install({
    set: ['streams.protocols={RTMP,SRT}', ...ports.map((each) => `srt.dedicatedPorts.${each}`)],
  });
  operator = await startOperator();
  pod = await release.ingest(0, run.addresses[0]!);
});
afterAll(async () => {
  await pod?.[Symbol.asyncDispose]();
  await operator?.[Symbol.asyncDispose]();
  await run[Symbol.asyncDispose]();
});

const startOperator = async () => {
  const more = { pool: { store: { url: `file://${run.dir.join('bucket')}` }, recording: { segmentDuration: '1s' } } };
  return (await release.operator({ more })).waitUntilReady();
};

async function find<T extends KubeObject>(resource: Resource, namespace: string, name: string): Promise<T | undefined> {
  try {
    return await run.client.get<T>(resource, { namespace, name });
  } catch (error) {
    if (KubeError.is(error, 'ERR_KUBE_NOT_FOUND')) return undefined;
    throw error;
  }
}

async function ready(name: string, spec: object = {}): Promise<Record<keyof typeof PUBLISH_SECRET_KEYS, string>> {
  await run.createStream(TENANT, name, spec);
  await waitFor(`${name} to be ready`, async () => hasCondition(await run.stream(TENANT, name), 'Ready'));
  const { data } = (await find<Secret>(SECRETS, TENANT, `${name}-ingest`))!;
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
  ) as Record<keyof typeof PUBLISH_SECRET_KEYS, string>;
}

const publish = async (name: string, key: string) => LivePublisher.start(`${pod.rtmp(`${TENANT}/${name}`)}?key=${key}`);
const remove = (name: string, ...args: string[]) => run.plane.kubectl('-n', TENANT, 'delete', 'lstream', name, ...args);

/** What the chart runs before it is uninstalled. */
async function releaseStreams(): Promise<Exit> {
  const { env } = await release.rightsOf('operator');
  const args = ['operator', '--release', release.name, '--namespace', release.namespace, '--release-streams'];
  await using job = start(process.execPath, [CLI, ...args], { env, cwd: run.dir.path });
  return await job.exited;
}

describe('dedicated SRT ports', () => {
  const dedicated = { ingest: { dedicatedPort: true, protocols: ['SRT'] } };
  const portsOf = async () =>
    (await find<Service>(SERVICES, release.namespace, DEDICATED))?.spec.ports.map(({ port }) => port);

  it('are given out, lead to the pods, and need no stream id', async () => {
    await ready('box-1', dedicated);
    const second = await ready('box-2', dedicated);
    await waitFor('the Service', async () => (await portsOf())?.length === 2);
    expect(await portsOf()).toEqual([FIRST_PORT, FIRST_PORT + 1]);
    const url = await waitFor('the address in it', async () => {
      const { data } = (await find<Secret>(SECRETS, TENANT, 'box-2-ingest'))!;
      const shown = Buffer.from(data.srtUrl!, 'base64').toString();
      return shown !== '' && shown;
    });
    expect(url).toBe(`srt://${DEDICATED}.video.svc:${FIRST_PORT + 1}?passphrase=${second.srtPassphrase}&pbkeylen=32`);
    await using caller = await SrtCaller.connect(FIRST_PORT + 1, {
      ...{ host: pod.address, passphrase: second.srtPassphrase, keyLength: 32 },
    });
    await waitFor('it to be live', async () => hasCondition(await run.stream(TENANT, 'box-2'), 'Live'));
    expect(caller.isClosed).toBe(false);
  });

  it('are kept, refused when all are taken, given on when one is free, and gone with the last', async () => {
    await run.createStream(TENANT, 'box-3', dedicated);
    const refused = await waitFor('the refusal', async () => {
      const found = await run.stream(TENANT, 'box-3');
      return hasCondition(found, 'Accepted', 'False') && found;
    });
    expect(refused.status?.conditions?.[0]).toMatchObject({ reason: 'DedicatedPortUnavailable' });
    await remove('box-1', '--timeout=20s');
    await waitFor('it to be ready', async () => hasCondition(await run.stream(TENANT, 'box-3'), 'Ready'));
    expect((await run.stream(TENANT, 'box-3')).status?.effective.srt.dedicatedPort).toBe(FIRST_PORT);
    expect((await run.stream(TENANT, 'box-2')).status?.effective.srt.dedicatedPort).toBe(FIRST_PORT + 1);
    await remove('box-2', '--timeout=20s');
    await remove('box-3', '--timeout=20s');
    await waitFor('the end of the Service', async () => (await portsOf()) === undefined);
  });
});

describe('before a release is uninstalled', () => {
  it('LiveStreams are let go though they are live, and what was asked to be deleted stays written down', async () => {
    await ready('kept');
    const recorded = { recording: { enabled: true, deletionPolicy: 'Delete' } };
    const live = await publish('live', (await ready('live', recorded)).rtmpKey);
    const doomed = await publish('doomed', (await ready('doomed', recorded)).rtmpKey);
    for (const name of ['live', 'doomed']) {
      await waitFor(`${name} to be held`, async () =>
        (await run.stream(TENANT, name)).metadata.finalizers?.includes(FINALIZER),
      );
      await waitFor(`${name} to be recorded`, async () => (await run.stream(TENANT, name)).status?.recording?.current);
    }
    const { uid } = (await run.stream(TENANT, 'doomed')).metadata;
    const exit = operator.process.exited;
    // Its pod is lost, and with it the word that nothing is left: this deletion waits.
    await pod[Symbol.asyncDispose]();
    await remove('doomed', '--wait=false');
    expect(await releaseStreams()).toEqual({ code: 0, signal: null });
    // The operator found its Lease taken.
    expect(await exit).toEqual({ code: 1, signal: null });

    expect(await find(LIVE_STREAMS, TENANT, 'doomed')).toBeUndefined();
    expect(await find(SECRETS, release.runtimeNamespace, `d-${uid}`)).toMatchObject({
      type: 'headwater.dev/tombstone',
    });
    expect((await run.stream(TENANT, 'live')).metadata.finalizers).toBeUndefined();
    await remove('live', '--timeout=5s');
    expect(await find(LIVE_STREAMS, TENANT, 'live')).toBeUndefined();
    for (const publisher of [live, doomed]) await publisher[Symbol.asyncDispose]();
  });

  it('the next install deletes what was asked for, and what belongs to nobody any more', async () => {
    const left = async () =>
      (await run.list<Secret>(SECRETS, release.runtimeNamespace))
        .filter(({ type }) => type.startsWith('headwater.dev/'))
        .map(({ type, metadata }) => `${type} ${metadata.name}`);
    expect((await left()).length).toBeGreaterThan(0);
    pod = await release.ingest(0, run.addresses[0]!);
    operator = await startOperator();
    const { uid } = (await run.stream(TENANT, 'kept')).metadata;
    await waitFor('all of it to go', async () => (await left()).join() === `headwater.dev/stream-config s-${uid}`, {
      timeoutMs: 40_000,
    }).catch(async () => expect(await left()).toEqual([`headwater.dev/stream-config s-${uid}`]));
  });
});
