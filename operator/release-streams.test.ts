import { expect, it } from 'vitest';
import { FINALIZER } from '../crds/names.ts';
import { MemoryApi } from '../test/support/kube/memory-api.ts';
import { poolOf, storedStream } from '../test/support/operator-fixtures.ts';
import type { OperatorConfig } from './config/settings.ts';
import { releaseHeld } from './release-streams.ts';

it('LiveStreams that are held while others are let go are let go too', async () => {
  const api = new MemoryApi();
  const hold = (name: string) => {
    const finalizers = ['example.com/other', FINALIZER];
    api.put('livestreams', storedStream({}, { name, uid: `uid-${name}`, finalizers }) as never);
  };
  hold('cam-1');
  hold('cam-2');
  api.fault = (what) => {
    // The leader was still at work.
    if (what === 'PATCH livestreams/cam-2' && api.find('livestreams', 'team-a/cam-3') === undefined) hold('cam-3');
  };
  const config = { pool: poolOf(), runtimeNamespace: 'runtime', watchNamespaces: [] as string[] };
  expect(await releaseHeld(api.client, config as unknown as OperatorConfig)).toBe(3);
  for (const name of ['cam-1', 'cam-2', 'cam-3']) {
    expect(api.find('livestreams', `team-a/${name}`)?.metadata.finalizers).toEqual(['example.com/other']);
  }
});
