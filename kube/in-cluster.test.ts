import { mkdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TempDir } from '../test/support/temp-dir.ts';
import { findAccess } from './client.ts';
import { inClusterAccess } from './in-cluster.ts';

let dir: TempDir;
beforeEach(() => {
  dir = new TempDir('service-account');
  mkdirSync(dir.path, { recursive: true });
  writeFileSync(dir.join('token'), 'first\n');
  writeFileSync(dir.join('ca.crt'), 'certificate');
  writeFileSync(dir.join('namespace'), 'team-a\n');
});
afterEach(() => dir[Symbol.dispose]());

const env = (host = '10.96.0.1') => ({
  KUBERNETES_SERVICE_HOST: host,
  KUBERNETES_SERVICE_PORT: '443',
  KUBERNETES_SERVICE_ACCOUNT_DIR: dir.path,
});

describe('inClusterAccess', () => {
  it('is the ServiceAccount of the pod', async () => {
    const access = await findAccess(undefined, env());
    expect(access).toMatchObject({ server: 'https://10.96.0.1:443', namespace: 'team-a' });
    const { headers, tls } = await access.credentials();
    expect(headers).toEqual({ authorization: 'Bearer first' });
    expect(String(tls.ca)).toBe('certificate');
    expect(inClusterAccess(env('fd00::1')).server).toBe('https://[fd00::1]:443');
  });

  it('reads a new token when it is told that the old one is refused', async () => {
    const access = inClusterAccess(env());
    await access.credentials();
    writeFileSync(dir.join('token'), 'second');
    expect((await access.credentials()).headers.authorization).toBe('Bearer first');
    access.renew();
    expect((await access.credentials()).headers.authorization).toBe('Bearer second');
  });

  it('says which folder has no token, and looks again the next time', async () => {
    const elsewhere = { ...env(), KUBERNETES_SERVICE_ACCOUNT_DIR: dir.join('none') };
    const access = inClusterAccess(elsewhere);
    await expect(access.credentials()).rejects.toThrow(/ERR_KUBE_CONFIG: .*none/);
    mkdirSync(dir.join('none'));
    writeFileSync(dir.join('none', 'token'), 'now');
    writeFileSync(dir.join('none', 'ca.crt'), 'c');
    expect((await access.credentials()).headers.authorization).toBe('Bearer now');
  });

  it('a kubeconfig that cannot be read is named', async () => {
    await expect(findAccess(dir.join('nothing'), {})).rejects.toThrow(/ERR_KUBE_CONFIG: .*nothing/);
  });
});
