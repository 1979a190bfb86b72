import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { selfSigned } from '../test/support/certificate.ts';
import { FakeApiServer, refuse } from '../test/support/fake-api-server.ts';
import { TempDir } from '../test/support/temp-dir.ts';
import type { ApiAccess } from './api-access.ts';
import { KubeClient } from './client.ts';
import { SECRETS } from './resource.ts';

let server: FakeApiServer;
let client: KubeClient;
beforeEach(async () => {
  server = await FakeApiServer.start();
  client = new KubeClient({ access: server.access });
});
afterEach(async () => {
  await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

describe('KubeClient', () => {
  it('sends JSON as who it is', async () => {
    await client.create(SECRETS, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { namespace: 'default', name: 'a' },
    });
    expect(server.requests[0]).toMatchObject({
      method: 'POST',
      path: '/api/v1/namespaces/default/secrets',
      headers: { authorization: 'Bearer token', 'content-type': 'application/json', accept: 'application/json' },
    });
    await expect(client.get(SECRETS, { namespace: 'default', name: 'a' })).resolves.toMatchObject({ kind: 'Secret' });
  });

  it.each([
    [400, 'ERR_KUBE_INVALID'],
    [403, 'ERR_KUBE_FORBIDDEN'],
    [404, 'ERR_KUBE_NOT_FOUND'],
    [409, 'ERR_KUBE_CONFLICT'],
    [410, 'ERR_KUBE_GONE'],
    [422, 'ERR_KUBE_INVALID'],
    [500, 'ERR_KUBE_UNAVAILABLE'],
    [503, 'ERR_KUBE_UNAVAILABLE'],
  ])('%i is %s, with the words of the server', async (status, code) => {
    server.intercept = (_, response) => {
      refuse(response, status, 'because of this');
      return true;
    };
    await expect(client.request({ path: '/api' })).rejects.toMatchObject({
      code,
      status,
      message: `${code}: GET /api: ${status} because of this`,
    });
  });

  it('tells the plain words of a proxy', async () => {
    server.intercept = (_, response) => {
      response.writeHead(502).end('<html>Bad gateway</html>');
      return true;
    };
    await expect(client.request({ path: '/api' })).rejects.toThrow('502 <html>Bad gateway</html>');
  });

  it('an answer that is no JSON is malformed', async () => {
    server.intercept = (_, response) => {
      response.writeHead(200).end('{"a":');
      return true;
    };
    await expect(client.request({ path: '/api' })).rejects.toMatchObject({ code: 'ERR_KUBE_MALFORMED' });
  });

  it('obeys 429 and sends it again; Leases are not sent again', async () => {
    let times = 0;
    server.intercept = (_, response) => {
      if (++times > 1) return false;
      refuse(response, 429, 'slow down', '', { 'retry-after': '1' });
      return true;
    };
    const began = performance.now();
    await client.request({ path: '/api/v1/secrets' });
    expect(performance.now() - began).toBeGreaterThanOrEqual(999);
    times = 0;
    await expect(client.request({ path: '/api/v1/leases', vital: true })).rejects.toMatchObject({
      code: 'ERR_KUBE_THROTTLED',
      retryAfterMs: 1000,
    });
  });

  it('while it waits after 429, other requests wait too, but for Leases', async () => {
    let times = 0;
    server.intercept = (_, response) => {
      if (++times > 1) return false;
      refuse(response, 429, 'slow down', '', { 'retry-after': '1' });
      return true;
    };
    const began = performance.now();
    const first = client.request({ path: '/api/v1/secrets' });
    await delay(50);
    const order: string[] = [];
    const others = [
      client.request({ path: '/api/v1/secrets' }).then(() => order.push('other')),
      client.request({ path: '/api/v1/leases', vital: true }).then(() => order.push('Lease')),
    ];
    await Promise.all([first, ...others]);
    expect(order).toEqual(['Lease', 'other']);
    expect(performance.now() - began).toBeGreaterThanOrEqual(999);
  });

  it('asks for fresh credentials after 401, once', async () => {
    let token = 'old';
    const access: ApiAccess = {
      ...server.access,
      credentials: async () => ({ headers: { authorization: `Bearer ${token}` }, tls: {} }),
      renew: () => {
        token = 'new';
      },
    };
    server.intercept = ({ headers }, response) => {
      if (headers.authorization === 'Bearer new') return false;
      refuse(response, 401, 'Unauthorized');
      return true;
    };
    await using other = new KubeClient({ access });
    await other.request({ path: '/api/v1/secrets' });
    expect(server.requests).toHaveLength(2);
    server.intercept = (_, response) => {
      refuse(response, 401, 'Unauthorized');
      return true;
    };
    await expect(other.request({ path: '/api/v1/secrets' })).rejects.toMatchObject({ code: 'ERR_KUBE_UNAUTHORIZED' });
    expect(server.requests).toHaveLength(4);
  });

  it('gives up in time, and when it is told to', async () => {
    server.intercept = () => true;
    const late = client.request({ path: '/api', timeoutMs: 100 });
    await expect(late).rejects.toMatchObject({ code: 'ERR_KUBE_TIMEOUT', status: 0 });
    const stop = new AbortController();
    const stopped = client.request({ path: '/api', signal: stop.signal });
    await delay(20);
    stop.abort(new Error('enough'));
    await expect(stopped).rejects.toThrow('enough');
  });

  it('says that nobody is there', async () => {
    await using other = new KubeClient({ access: { ...server.access, server: 'http://127.0.0.1:1' } });
    await expect(other.request({ path: '/api' })).rejects.toMatchObject({ code: 'ERR_KUBE_UNREACHABLE' });
  });

  it('a deletion of what is gone, or is another by now, is fine', async () => {
    const place = { namespace: 'default', name: 'a' };
    await client.remove(SECRETS, place, undefined);
    server.set('a');
    server.intercept = ({ method }, response) => {
      if (method === 'DELETE') refuse(response, 409, 'the UID in the precondition differs');
      return method === 'DELETE';
    };
    await client.remove(SECRETS, place, 'another');
    expect(JSON.parse(server.requests.at(-1)!.body)).toMatchObject({ preconditions: { uid: 'another' } });
    await expect(client.remove(SECRETS, place, undefined)).rejects.toMatchObject({ code: 'ERR_KUBE_CONFLICT' });
  });
});

describe('watches', () => {
  it('any number of them leaves the way free for requests', async () => {
    await using other = new KubeClient({ access: server.access, maxConnections: 2 });
    const watch = () => other.open({ path: '/api/v1/secrets', query: { watch: true, resourceVersion: '100' } });
    await Promise.all(Array.from({ length: 20 }, watch));
    expect(server.openWatches).toBe(20);
    await other.request({ path: '/api/v1/secrets', timeoutMs: 1000 });
  });
});

describe('connections', () => {
  let dir: TempDir;
  beforeAll(() => {
    dir = new TempDir('kube-client');
  });
  afterAll(() => dir[Symbol.dispose]());

  it('a thousand requests, thirty at a time, use no more TLS connections than allowed', async () => {
    const certificate = await selfSigned(dir);
    const [cert, key] = [readFileSync(certificate.cert), readFileSync(certificate.key)];
    let handshakes = 0;
    const tls = createServer({ cert, key }, (_, response) => response.end('{}')).listen(0, '127.0.0.1');
    tls.on('secureConnection', () => {
      handshakes += 1;
    });
    await new Promise((listening) => tls.once('listening', listening));
    await using other = new KubeClient({
      access: {
        server: `https://127.0.0.1:${(tls.address() as AddressInfo).port}`,
        namespace: undefined,
        // Read anew each time, as after a change of its file: the same certificate is the same agent.
        credentials: async () => ({ headers: {}, tls: { ca: readFileSync(certificate.cert) } }),
        renew() {},
      },
      requestsPerSecond: 1e6,
      burst: 1e6,
      maxConnections: 10,
    });
    let left = 1000;
    const worker = async () => {
      while (left-- > 0) await other.request({ path: '/' });
    };
    await Promise.all(Array.from({ length: 30 }, worker));
    tls.closeAllConnections();
    tls.close();
    expect(handshakes).toBeLessThanOrEqual(10);
  });
});
