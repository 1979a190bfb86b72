import type { RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import type { ApiAccess, Credentials, TlsIdentity } from './api-access.ts';
import { KubeError } from './kube-error.ts';

/** Tokens of plugins (`exec`) may be as short as minutes; the plugin itself knows when one ends. */
const REREAD_MS = 10_000;

/** Access by a kubeconfig: the named file, else `KUBECONFIG`, else `~/.kube/config`. @throws KubeError ERR_KUBE_CONFIG */
export function kubeconfigAccess(file: string | undefined): ApiAccess {
  const config = new KubeConfig();
  try {
    if (file === undefined) config.loadFromDefault();
    else config.loadFromFile(file);
  } catch (error) {
    throw new KubeError('ERR_KUBE_CONFIG', `the kubeconfig ${file ?? ''} can't be read`, { cause: error });
  }
  const cluster = config.getCurrentCluster();
  if (!cluster) throw new KubeError('ERR_KUBE_CONFIG', `the kubeconfig ${file ?? ''} names no cluster`);
  let current: Promise<Credentials> | undefined;
  let readAt = 0;
  return {
    server: cluster.server.replace(/\/+$/, ''),
    namespace: config.getContextObject(config.getCurrentContext())?.namespace,
    credentials: () => {
      const now = performance.now();
      if (current === undefined || now - readAt > REREAD_MS) {
        current = credentialsOf(config);
        readAt = now;
      }
      return current;
    },
    renew: () => {
      current = undefined;
    },
  };
}

async function credentialsOf(config: KubeConfig): Promise<Credentials> {
  const options: RequestOptions = {};
  try {
    await config.applyToHTTPSOptions(options);
  } catch (error) {
    throw new KubeError('ERR_KUBE_CONFIG', 'the credentials of the kubeconfig cannot be had', { cause: error });
  }
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) headers[name.toLowerCase()] = String(value);
  if (options.auth) headers.authorization = `Basic ${Buffer.from(options.auth).toString('base64')}`;
  return { headers, tls: pick(options) };
}

function pick({ ca, cert, key, servername, rejectUnauthorized }: RequestOptions): TlsIdentity {
  const bytes = (value: unknown) => (typeof value === 'string' || Buffer.isBuffer(value) ? value : undefined);
  const tls = { ca: bytes(ca), cert: bytes(cert), key: bytes(key), servername, rejectUnauthorized };
  return Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined));
}
