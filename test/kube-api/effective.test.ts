import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KubeObject } from '../../kube/kube-object.ts';
import { SECRETS } from '../../kube/resource.ts';
import { LIVE_STREAMS, RECORDING_POLICIES } from '../../operator/watch/resources.ts';
import { hasCondition, KubeApiRun } from '../support/kube/kube-api-run.ts';
import type { OperatorReplica } from '../support/kube/operator-replica.ts';
import { waitFor } from '../support/wait-for.ts';
import { effectiveIn, GOOD_STREAMS, POOL } from './good-objects.ts';
import type { WrittenObject } from './written-object.ts';

/** The pool of the table, as values of the chart. */
const VALUES = [
  `store.url=${POOL.store.url}`,
  `store.endpoint=${POOL.store.endpoint}`,
  `pool.allowedStoreEndpoints={${POOL.allowedStoreEndpoints.join(',')}}`,
  `streams.protocols={${POOL.protocols.join(',')}}`,
  'streams.playback={RTMP,SRT,HTTPFLV}',
];
/** The one that the table's only stream with a port of its own has. */
const DEDICATED = 'srt.dedicatedPorts.from=20007';

/** Secrets that the objects of the table name. */
const NAMED = {
  s3: { accessKeyId: 'AKIA', secretAccessKey: 'sesame' },
  mine: { rtmpKey: 'a-key-of-my-own', srtPassphrase: 'a-passphrase-of-my-own' },
} as const;

let run: KubeApiRun;
const operators: OperatorReplica[] = [];

beforeAll(async () => {
  run = await KubeApiRun.start('effective', { addresses: 1 });
  const first = await run.install({ set: [...VALUES, 'srt.dedicatedPorts.enabled=true', DEDICATED] });
  const studio = { name: 'two', namespace: 'video-2', set: [...VALUES, 'crds.enabled=false', 'pool.name=studio-2'] };
  const second = await run.install(studio);
  for (const release of [first, second]) operators.push(await release.operator());
  for (const operator of operators) await operator.waitUntilReady();
});
afterAll(async () => {
  for (const operator of operators) await operator[Symbol.asyncDispose]();
  await run[Symbol.asyncDispose]();
});

const within = (namespace: string, object: WrittenObject): KubeObject => ({
  ...object,
  metadata: { ...object.metadata, namespace },
});

describe('status.effective, by the operator', () => {
  it.concurrent.each(GOOD_STREAMS.map((good, index) => ({ ...good, namespace: `tenant-${index}` })))(
    '$name',
    async ({ namespace, ...good }) => {
      await run.plane.kubectl('create', 'namespace', namespace);
      for (const [name, stringData] of Object.entries(NAMED)) {
        const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name }, stringData };
        await run.client.create(SECRETS, secret);
      }
      const { object, policy } = good;
      if (policy) await run.client.create(RECORDING_POLICIES, within(namespace, policy));
      await run.client.create(LIVE_STREAMS, within(namespace, object));
      const { status } = await waitFor('it to be accepted', async () => {
        const stream = await run.stream(namespace, object.metadata.name);
        return hasCondition(stream, 'Accepted') && hasCondition(stream, 'CredentialsReady') && stream;
      });
      expect(status?.effective).toEqual(effectiveIn(namespace, good));
    },
  );
});
