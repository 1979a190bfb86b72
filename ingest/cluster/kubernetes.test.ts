import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CONFIG_KEY, SECRET_TYPES } from '../../crds/names.ts';
import { FakeApiServer, refuse, send } from '../../test/support/fake-api-server.ts';
import { NO_LOG } from '../../test/support/kube/test-log.ts';
import { streamConfig } from '../../test/support/stream-config.ts';
import { TempDir } from '../../test/support/temp-dir.ts';
import { waitFor } from '../../test/support/wait-for.ts';
import { NO_METER } from '../runtime/meter.ts';
import { KubernetesPod } from './kubernetes.ts';
import { StoreBook } from './store-book.ts';
import { StreamSet } from './stream-set.ts';
import { TombstoneSet } from './tombstone-set.ts';

let dir: TempDir;
let server: FakeApiServer;
beforeEach(async () => {
  dir = new TempDir('kubernetes-pod');
  server = await FakeApiServer.start();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

function kubeconfig(): string {
  const config = {
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'test' },
    clusters: [{ name: 'test', cluster: { server: server.url, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'test', user: { token: 'token' } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
  };
  writeFileSync(dir.join('kubeconfig'), JSON.stringify(config));
  return dir.join('kubeconfig');
}

describe('a pod that starts', () => {
  const stream = (revision: string) => streamConfig({ path: 'team/cam', uid: 'u1', revision });

  it('obeys the list of the API server, though it comes while what was known last is read from the disk', async () => {
    const data = { [CONFIG_KEY]: Buffer.from(JSON.stringify(stream('new'))).toString('base64') };
    const secret = server.set('s-u1', { type: SECRET_TYPES.streamConfig, data });
    let list: ServerResponse | undefined;
    server.intercept = ({ path, query }, response) => {
      if (query.has('watch')) return false;
      if (path.endsWith('secrets')) list = response;
      else refuse(response, 503, 'away');
      return true;
    };
    const set = new StreamSet(() => undefined);
    const opening = KubernetesPod.open({
      ...{ set, book: new StoreBook(), tombstones: new TombstoneSet(), log: NO_LOG, meter: NO_METER },
      pod: { namespace: 'default', pool: 'default', podName: 'ingest-0', podIp: '127.0.0.1' },
      ...{ kubeconfig: kubeconfig(), stateDir: dir.join('state') },
      ...{ hasBacklog: () => false, recordingOf: () => '' },
    });
    await waitFor('it to ask', () => list);
    // A disk that takes its time: who reads waits for what is written.
    mkdirSync(dir.join('state'));
    execFileSync('mkfifo', [dir.join('state/snapshot.json')]);
    const disk = await open(dir.join('state/snapshot.json'), 'w');
    send(list!, 200, { kind: 'SecretList', metadata: { resourceVersion: server.version }, items: [secret] });
    await waitFor('the list', () => set.size > 0, { everyMs: 10 });
    await disk.writeFile(JSON.stringify({ version: 1, streams: [stream('old')] }));
    await disk.close();
    await using pod = await opening;
    expect([set.of('team/cam')?.revision, pod.isLoaded]).toEqual(['new', true]);
  });
});
