import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SECRETS } from '../../kube/resource.ts';
import { hasCondition, KubeApiRun } from '../support/kube/kube-api-run.ts';
import type { OperatorReplica } from '../support/kube/operator-replica.ts';
import type { Release } from '../support/kube/release.ts';
import { waitFor } from '../support/wait-for.ts';

const TENANT = 'team-a';

let run: KubeApiRun;
let first: Release;
let second: Release;
const operators: OperatorReplica[] = [];

beforeAll(async () => {
  run = await KubeApiRun.start('pools', { addresses: 2, audit: true });
  await run.plane.kubectl('create', 'namespace', TENANT);
  first = await run.install({ name: 'one', namespace: 'video-1' });
  const set = ['crds.enabled=false', 'pool.name=sports'];
  second = await run.install({ name: 'two', namespace: 'video-2', set });
  for (const release of [first, second]) operators.push(await release.operator());
  for (const operator of operators) await operator.waitUntilReady();
});
afterAll(async () => {
  for (const operator of operators) await operator[Symbol.asyncDispose]();
  await run[Symbol.asyncDispose]();
});

/** Names of the objects of team-a that a release's operator wrote, by the API server's audit log. */
async function writtenBy(release: Release): Promise<readonly string[]> {
  const user = `system:serviceaccount:${release.namespace}:${release.accountOf('operator')}`;
  const events = await run.plane.audit();
  const writes = events.filter(
    ({ user: who, verb, objectRef }) =>
      who.username === user &&
      ['create', 'update', 'patch', 'delete'].includes(verb) &&
      objectRef?.namespace === TENANT,
  );
  return [...new Set(writes.map(({ objectRef }) => `${objectRef?.resource} ${objectRef?.name}`))].sort();
}

describe('two releases, two pools', () => {
  it('each object is served by one of them', async () => {
    await run.createStream(TENANT, 'cam-default');
    await run.createStream(TENANT, 'cam-sports', { pool: 'sports' });
    for (const name of ['cam-default', 'cam-sports']) {
      await waitFor(name, async () => hasCondition(await run.stream(TENANT, name), 'Accepted'));
    }
    const uids = async (release: Release) =>
      (await run.list(SECRETS, release.runtimeNamespace)).flatMap(({ metadata }) =>
        metadata.name.startsWith('s-') ? metadata.name.slice(2) : [],
      );
    expect(await uids(first)).toEqual([(await run.stream(TENANT, 'cam-default')).metadata.uid]);
    expect(await uids(second)).toEqual([(await run.stream(TENANT, 'cam-sports')).metadata.uid]);
    const [one, two] = [await writtenBy(first), await writtenBy(second)];
    expect(one).toContain('livestreams cam-default');
    expect(two).toContain('livestreams cam-sports');
    expect(one.filter((object) => object.includes('sports'))).toEqual([]);
    expect(two.filter((object) => object.includes('default'))).toEqual([]);
  });

  it('an operator of a pool that nobody holds leaves what is of other pools alone', async () => {
    await run.createStream(TENANT, 'cam-nobody', { pool: 'nobody' });
    await delay(1500);
    expect((await run.stream(TENANT, 'cam-nobody')).status).toBeUndefined();
  });

  it('a pool that another release holds is reported, by whom, and not served', async () => {
    const third = await run.install({ name: 'three', namespace: 'video-3', set: ['crds.enabled=false'] });
    await using late = await third.operator();
    await waitFor('its reason', async () => (await late.readiness()).includes('video-1/one'));
    expect(await late.isReady()).toBe(false);
    await run.createStream(TENANT, 'cam-2');
    await waitFor('it to be served', async () => hasCondition(await run.stream(TENANT, 'cam-2'), 'Accepted'));
    expect(await writtenBy(third)).toEqual([]);
    expect(late.log.all('pool is held by another release')).not.toEqual([]);
  });
});
