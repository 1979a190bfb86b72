import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CONFIG_KEY, publishSecretName, RELAY_KEY_SECRET, streamConfigName } from '../../crds/names.ts';
import type { StreamConfig } from '../../crds/stream-config.ts';
import type { KubeObject } from '../../kube/kube-object.ts';
import { SECRETS } from '../../kube/resource.ts';
import { followPod } from '../../operator/pods/pod-feed.ts';
import { LIVE_STREAMS } from '../../operator/watch/resources.ts';
import type { IngestPod } from '../support/kube/ingest-pod.ts';
import { hasCondition, KubeApiRun } from '../support/kube/kube-api-run.ts';
import { LivePublisher } from '../support/kube/live-publisher.ts';
import type { OperatorReplica } from '../support/kube/operator-replica.ts';
import type { Release } from '../support/kube/release.ts';
import { NO_LOG } from '../support/kube/test-log.ts';
import { waitFor } from '../support/wait-for.ts';

const PODS = 3;
const TENANT = 'team-a';
/** How long a change may take to be in force in a pod. */
const IN_FORCE_MS = 1000;
/** How long a pod is held up: much longer than keys take to be shown, shorter than a pod is taken for ready without a sign of it. */
const HELD_UP_MS = 3000;

type Secret = KubeObject & { readonly data: Readonly<Record<string, string>> };

let run: KubeApiRun;
let release: Release;
let operator: OperatorReplica;
const pods: IngestPod[] = [];
/** When a pod said first that it obeys a configuration, by `performance.now()`; keys are `<pod> <uid> <revision>`. */
const obeyedAt = new Map<string, number>();
const stop = new AbortController();
const following: Promise<void>[] = [];

beforeAll(async () => {
  run = await KubeApiRun.start('three-pods', { addresses: PODS });
  await run.plane.kubectl('create', 'namespace', TENANT);
  release = await run.install();
  operator = await (await release.operator()).waitUntilReady();
  pods.push(...(await Promise.all(run.addresses.map((address, index) => release.ingest(index, address)))));
  const key = (await secret(release.runtimeNamespace, RELAY_KEY_SECRET)).key!;
  for (const { name: pod, address } of pods) following.push(follow(pod, address, key));
});
afterAll(async () => {
  stop.abort();
  await Promise.all(following);
  for (const pod of pods) await pod[Symbol.asyncDispose]();
  await operator?.[Symbol.asyncDispose]();
  await run[Symbol.asyncDispose]();
});

function follow(pod: string, address: string, relayKey: string): Promise<void> {
  return followPod(
    { pod, address, port: 9090 },
    {
      relayKey: () => relayKey,
      onReport: ({ streams }) => {
        for (const { uid, revision } of streams) {
          const what = `${pod} ${uid} ${revision}`;
          if (!obeyedAt.has(what)) obeyedAt.set(what, performance.now());
        }
      },
      onLost: () => {},
      log: NO_LOG,
    },
    stop.signal,
  );
}

async function secret(namespace: string, name: string): Promise<Readonly<Record<string, string>>> {
  const { data } = await run.client.get<Secret>(SECRETS, { namespace, name });
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
}

const shownKey = async (name: string): Promise<string> => (await secret(TENANT, publishSecretName(name))).rtmpKey!;

async function configOf(uid: string): Promise<StreamConfig> {
  return JSON.parse((await secret(release.runtimeNamespace, streamConfigName(uid)))[CONFIG_KEY]!);
}

/** When these pods had a configuration that is as it is wanted in force, once they have. */
async function inForce(uid: string, wanted: (config: StreamConfig) => boolean, which = pods): Promise<number[]> {
  const { revision } = await waitFor('the configuration', async () => {
    const config = await configOf(uid);
    return wanted(config) && config;
  });
  return waitFor('it to be in force', () => {
    const times = which.map(({ name }) => obeyedAt.get(`${name} ${uid} ${revision}`));
    return times.every((each) => each !== undefined) && times;
  });
}

async function ready(name: string): Promise<{ readonly uid: string; readonly key: string }> {
  const { metadata } = await run.createStream(TENANT, name);
  const { status } = await waitFor(`${name} to be ready in every pod`, async () => {
    const stream = await run.stream(TENANT, name);
    return hasCondition(stream, 'Ready') && stream.status?.podsProgrammed === `${PODS}/${PODS}` && stream;
  });
  expect(status?.phase).toBe('Idle');
  return { uid: metadata.uid!, key: await shownKey(name) };
}

const change = (name: string, spec: object) => run.client.merge(LIVE_STREAMS, { namespace: TENANT, name }, { spec });
const publish = (pod: IngestPod, name: string, key: string) =>
  LivePublisher.start(`${pod.rtmp(`${TENANT}/${name}`)}?key=${key}`);

describe('three pods, with the tokens of their ServiceAccount', () => {
  it('each obey a change within a second', async () => {
    const { uid, key } = await ready('cam-1');
    await using live = await publish(pods[0]!, 'cam-1', key);
    await waitFor('it to be live', async () => hasCondition(await run.stream(TENANT, 'cam-1'), 'Live'));
    const from = performance.now();
    await change('cam-1', { suspend: true });
    const times = (await inForce(uid, ({ state }) => state === 'suspended')).map((at) => at - from);
    await waitFor('its end', () => !live.isLive);
    console.log(`in force after ${times.map((ms) => ms.toFixed(0)).join(', ')} ms`);
    expect(Math.max(...times)).toBeLessThan(IN_FORCE_MS);
    expect(live.closedAt! - from).toBeLessThan(IN_FORCE_MS);
    for (const pod of pods) {
      await expect(publish(pod, 'cam-1', key)).rejects.toMatchObject({ code: 'NetStream.Publish.Denied' });
    }
  });

  it('have new keys before people are shown them: all of them, also one that is held up', async () => {
    const { uid, key } = await ready('cam-2');
    const [last, ...others] = pods.toReversed();
    process.kill(last!.process.pid, 'SIGSTOP');
    const from = performance.now();
    try {
      await change('cam-2', { credentials: { rotation: { generation: 1 } } });
      const times = await inForce(uid, ({ credentials }) => credentials.rtmpKey !== key, others);
      expect(Math.max(...times) - from).toBeLessThan(IN_FORCE_MS);
      await delay(HELD_UP_MS - (performance.now() - from));
      expect(await shownKey('cam-2')).toBe(key);
    } finally {
      process.kill(last!.process.pid, 'SIGCONT');
    }
    const shown = await waitFor(
      'the new key to be shown',
      async () => {
        const now = await shownKey('cam-2');
        return now !== key && now;
      },
      { everyMs: 5 },
    );
    const shownAt = performance.now();
    const { credentials } = await configOf(uid);
    expect(shown).toBe(credentials.rtmpKey);
    expect(credentials.previous?.rtmpKey).toBe(key);
    const times = await inForce(uid, ({ credentials: { rtmpKey } }) => rtmpKey === shown);
    expect(Math.max(...times)).toBeLessThan(shownAt);
    for (const pod of pods) await (await publish(pod, 'cam-2', shown))[Symbol.asyncDispose]();
  });
});
