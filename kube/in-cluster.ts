import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApiAccess, Credentials } from './api-access.ts';
import { KubeError } from './kube-error.ts';

/** Where the kubelet puts token, CA and namespace of a pod's ServiceAccount. */
const SERVICE_ACCOUNT_DIR = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The kubelet writes a new token when a fifth of the old one's time is left: a minute is soon enough (as client-go). */
const REREAD_MS = 60_000;

/** Whether this process runs in a pod, or is told to act as one. */
export function isInCluster(env: NodeJS.ProcessEnv): boolean {
  return Boolean(env.KUBERNETES_SERVICE_HOST && env.KUBERNETES_SERVICE_PORT);
}

/**
 * Access as the ServiceAccount of this pod. `KUBERNETES_SERVICE_ACCOUNT_DIR` names another folder with `token`, `ca.crt`
 * and `namespace`, for a process that runs outside of a pod with the rights of one. @throws KubeError ERR_KUBE_CONFIG
 */
export function inClusterAccess(env: NodeJS.ProcessEnv): ApiAccess {
  const dir = env.KUBERNETES_SERVICE_ACCOUNT_DIR || SERVICE_ACCOUNT_DIR;
  const host = env.KUBERNETES_SERVICE_HOST ?? '';
  let current: Promise<Credentials> | undefined;
  let readAt = 0;
  const read = async (): Promise<Credentials> => {
    try {
      const [token, ca] = await Promise.all([readFile(join(dir, 'token'), 'utf8'), readFile(join(dir, 'ca.crt'))]);
      return { headers: { authorization: `Bearer ${token.trim()}` }, tls: { ca } };
    } catch (error) {
      current = undefined;
      throw new KubeError('ERR_KUBE_CONFIG', `the ServiceAccount's token in ${dir} can't be read`, { cause: error });
    }
  };
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${env.KUBERNETES_SERVICE_PORT}`,
    namespace: namespaceIn(dir),
    credentials: () => {
      const now = performance.now();
      if (current === undefined || now - readAt > REREAD_MS) {
        current = read();
        readAt = now;
      }
      return current;
    },
    renew: () => {
      current = undefined;
    },
  };
}

function namespaceIn(dir: string): string | undefined {
  try {
    return readFileSync(join(dir, 'namespace'), 'utf8').trim();
  } catch {
    return undefined; // an older cluster, or a folder without it: whoever needs it says so
  }
}
