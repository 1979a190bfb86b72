import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NO_METER } from '../ingest/runtime/meter.ts';
import { FakeApiServer, refuse, send } from '../test/support/fake-api-server.ts';
import { recordingLog } from '../test/support/kube/test-log.ts';
import { waitFor } from '../test/support/wait-for.ts';
import { KubeClient } from './client.ts';
import type { KubeObject } from './kube-object.ts';
import { Reflector, type ReflectorOptions } from './reflector.ts';
import { SECRETS } from './resource.ts';

const TIMING = { stallMs: 300, backoffMinMs: 5, backoffMaxMs: 50, quietMs: 20, auditMs: 1e9, auditGraceMs: 30 };

let server: FakeApiServer;
let client: KubeClient;
const ended = new Map<AbortController, Promise<void>>();
beforeEach(async () => {
  server = await FakeApiServer.start();
  client = new KubeClient({ access: server.access });
});
afterEach(async () => {
  for (const [controller, running] of ended) {
    controller.abort();
    await running;
  }
  ended.clear();
  await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** A reflector that runs until the end of the test. */
async function reflect(extra: Partial<ReflectorOptions<KubeObject>> = {}) {
  const { log, lines } = recordingLog();
  const changes: string[] = [];
  const reflector = new Reflector<KubeObject>({
    client,
    resource: SECRETS,
    namespace: 'default',
    log,
    onChange: (key, now, before) => changes.push(`${before ? (now ? '~' : '-') : '+'}${key.slice('default/'.length)}`),
    timing: TIMING,
    ...extra,
  });
  const controller = new AbortController();
  ended.set(controller, reflector.run(controller.signal));
  await reflector.synced;
  await waitFor('the watch', () => server.openWatches === 1, { everyMs: 2 });
  const names = () => [...reflector.objects.keys()].map((key) => key.slice('default/'.length)).sort();
  return { reflector, lines, changes, names };
}

const has = (names: () => string[], name: string) => waitFor(name, () => names().includes(name), { everyMs: 2 });

describe('Reflector', () => {
  it('lists in pages and follows', async () => {
    for (let index = 0; index < 1201; index++) server.set(`s${index}`);
    const { reflector, changes } = await reflect();
    expect(reflector.objects.size).toBe(1201);
    expect(server.listRequests.map(({ query }) => query.get('continue'))).toEqual([null, '500', '1000']);
    changes.length = 0;
    server.set('new');
    server.set('s7', { data: { a: 'b' } });
    server.delete('s8');
    await waitFor('the changes', () => changes.length === 3, { everyMs: 2 });
    expect(changes).toEqual(['+new', '~s7', '-s8']);
    expect(reflector.objects.get('default/s7')).toMatchObject({ kind: 'Secret', data: { a: 'b' } });
  });

  it('asks for bookmarks, and goes on from the last one', async () => {
    await reflect();
    server.bookmark();
    server.bookmark();
    const { version } = server;
    await delay(20);
    server.endWatches();
    await waitFor('another watch', () => server.watchRequests.length === 2, { everyMs: 2 });
    expect(server.watchRequests[0]!.query.get('allowWatchBookmarks')).toBe('true');
    expect(server.watchRequests[1]!.query.get('resourceVersion')).toBe(version);
    expect(server.listRequests).toHaveLength(1);
  });

  it('loses nothing over watches that are closed all the time', async () => {
    const { names } = await reflect();
    for (let round = 0; round < 30; round++) {
      server.endWatches();
      server.set(`r${round}`);
      await delay(5);
    }
    await has(names, 'r29');
    expect(names()).toHaveLength(30);
    expect(server.listRequests).toHaveLength(1);
  });

  it('a watch that told something is followed by the next one at once', async () => {
    const { names } = await reflect({ timing: { ...TIMING, quietMs: 60_000, backoffMinMs: 60_000 } });
    for (let round = 0; round < 5; round++) {
      server.set(`r${round}`);
      await has(names, `r${round}`);
      server.endWatches();
      await waitFor('another watch', () => server.watchRequests.length === round + 2, { everyMs: 2, timeoutMs: 1000 });
    }
  });

  it('gives up a watch that is open and silent', async () => {
    const { names, lines } = await reflect();
    server.silent = true;
    server.set('missed');
    const began = performance.now();
    await has(names, 'missed');
    expect(performance.now() - began).toBeGreaterThan(TIMING.stallMs - 50);
    expect(lines.filter(({ fields }) => 'code' in fields && fields.code === 'ERR_KUBE_STALLED')).toHaveLength(1);
  });

  it.each(['when it is opened', 'while it is read'])('after 410 %s lists anew, and sees what is gone', async (when) => {
    server.set('stays');
    server.set('goes');
    const { names, changes } = await reflect();
    server.silent = true;
    server.delete('goes');
    server.set('comes');
    server.forgetHistory();
    server.silent = false;
    if (when === 'when it is opened') {
      server.cutWatches();
    } else {
      const object = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' };
      server.writeToWatches(`${JSON.stringify({ type: 'ERROR', object })}\n`);
    }
    await has(names, 'comes');
    expect(names()).toEqual(['comes', 'stays']);
    expect(changes).toEqual(['+stays', '+goes', '+comes', '-goes']);
    expect(server.listRequests).toHaveLength(2);
  });

  it('a line that is cut off is no event, and comes again', async () => {
    const { names } = await reflect();
    server.silent = true;
    const object = server.set('cut');
    const line = JSON.stringify({ type: 'ADDED', object });
    server.writeToWatches(line.slice(0, line.length / 2));
    server.silent = false;
    await delay(10);
    expect(names()).toEqual([]);
    server.cutWatches();
    await has(names, 'cut');
  });

  it('a line that is no JSON ends the watch, and nothing is lost', async () => {
    const { names, lines } = await reflect();
    server.writeToWatches('{"type":\n');
    server.set('after');
    await has(names, 'after');
    expect(lines.some(({ fields }) => fields.code === 'ERR_KUBE_MALFORMED')).toBe(true);
  });

  it('events that come twice or late change nothing', async () => {
    const { reflector, changes } = await reflect();
    const old = server.set('a', { data: { v: '1' } });
    server.set('a', { data: { v: '2' } });
    server.delete('b');
    await waitFor('both', () => changes.length === 2, { everyMs: 2 });
    const again = (type: string) => server.writeToWatches(`${JSON.stringify({ type, object: old })}\n`);
    again('ADDED');
    again('MODIFIED');
    again('DELETED');
    server.set('end');
    await waitFor('the end', () => changes.at(-1) === '+end', { everyMs: 2 });
    expect(changes).toEqual(['+a', '~a', '+end']);
    expect(reflector.objects.get('default/a')).toMatchObject({ data: { v: '2' } });
    server.endWatches();
    await waitFor('another watch', () => server.watchRequests.length === 2, { everyMs: 2 });
    // The place to go on from did not turn back.
    expect(server.watchRequests[1]!.query.get('resourceVersion')).toBe(server.version);
  });

  it.each([
    { what: 'a burst of 500s', times: 4, status: 500, reason: undefined },
    {
      what: 'a while in which the server is too busy for its watch',
      times: 12,
      status: 429,
      reason: 'TooManyRequests',
    },
  ])('goes on after $what, without a list', async ({ times, status, reason }) => {
    const { names } = await reflect();
    let left = times;
    server.intercept = ({ query }, response) => {
      if (!query.has('watch') || left-- <= 0) return false;
      refuse(response, status, 'not now', reason);
      return true;
    };
    server.cutWatches();
    server.set('during');
    await has(names, 'during');
    expect(left).toBeLessThan(0);
    expect(server.listRequests).toHaveLength(1);
  });

  it('obeys 429 with Retry-After on its list', async () => {
    let refused = 0;
    server.intercept = ({ query }, response) => {
      if (query.has('watch') || refused++ > 0) return false;
      refuse(response, 429, 'slow down', 'TooManyRequests', { 'retry-after': '1' });
      return true;
    };
    const began = performance.now();
    await reflect();
    expect(performance.now() - began).toBeGreaterThanOrEqual(1000);
  });

  it('obeys 429 with Retry-After on its watch', async () => {
    await reflect();
    let refusedAt = 0;
    server.intercept = ({ query }, response) => {
      if (!query.has('watch') || refusedAt > 0) return false;
      refusedAt = performance.now();
      refuse(response, 429, 'slow down', 'TooManyRequests', { 'retry-after': '1' });
      return true;
    };
    server.cutWatches();
    await waitFor('another watch', () => server.watchRequests.length === 3, { everyMs: 2 });
    expect(performance.now() - refusedAt).toBeGreaterThanOrEqual(990);
  });

  it('begins a list again whose pages have expired', async () => {
    for (let index = 0; index < 600; index++) server.set(`s${index}`);
    let expired = false;
    server.intercept = ({ query }, response) => {
      if (!query.has('continue') || expired) return false;
      expired = true;
      refuse(response, 410, 'the continue parameter is too old', 'Expired');
      return true;
    };
    const { reflector } = await reflect();
    expect(reflector.objects.size).toBe(600);
  });

  it('counts and mends what a watch failed to tell', async () => {
    const misses: string[] = [];
    const meter = { ...NO_METER, count: (name: string, label?: string | null) => misses.push(`${name} ${label}`) };
    server.set('a');
    server.set('b');
    const { reflector, names } = await reflect({ meter, timing: { ...TIMING, auditMs: 50, stallMs: 60_000 } });
    await delay(200);
    const lost = () => misses.filter((line) => line.startsWith('headwater_kube_cache_misses_total'));
    expect(lost()).toEqual([]);
    server.setUnseen('lost');
    await has(names, 'lost');
    expect(lost()).toEqual(['headwater_kube_cache_misses_total secrets']);
    expect(reflector.objects.size).toBe(3);
    const audits = server.listRequests.filter(({ headers }) => headers.accept?.includes('PartialObjectMetadataList'));
    expect(audits.length).toBeGreaterThan(1);
  });

  it('asks for metadata only, and keeps no more of what was written', async () => {
    server.set('a', { data: { key: 'secret' } });
    const { reflector } = await reflect({ metadataOnly: true });
    expect(server.requests[0]!.headers.accept).toBe('application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1');
    expect(server.watchRequests[0]!.headers.accept).toBe(
      'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
    );
    reflector.assume({ ...server.set('a', {}), data: { key: 'secret' } } as KubeObject);
    expect(reflector.objects.get('default/a')).not.toHaveProperty('data');
  });

  it('an answer to a write that comes after the deletion does not bring the object back', async () => {
    const { reflector, names, changes } = await reflect();
    const written = server.set('a');
    server.delete('a');
    await waitFor('the deletion', () => changes.at(-1) === '-a', { everyMs: 2 });
    reflector.assume(written);
    expect(names()).toEqual([]);
  });

  it('starts anew on a server whose storage was restored from an old copy', async () => {
    for (const name of ['a', 'b', 'c']) server.set(name);
    const { reflector, names } = await reflect();
    server.restore(['b', 'z']);
    await has(names, 'z');
    expect(names()).toEqual(['b', 'z']);
    expect(reflector.objects.get('default/b')).toMatchObject({ restored: true });
    server.set('later');
    await has(names, 'later');
  });

  it('starts anew on a server that was restored from a copy that is newer than the first list', async () => {
    server.set('a');
    const { reflector, names } = await reflect();
    server.set('b');
    const { version } = server;
    server.set('c');
    server.set('b', { data: { lost: 'eA==' } });
    server.delete('a');
    await waitFor('the deletion', () => !names().includes('a'), { everyMs: 2 });
    server.restore(['a', 'b'], version);
    await has(names, 'a');
    expect(names()).toEqual(['a', 'b']);
    expect(reflector.objects.get('default/b')).toMatchObject({ restored: true });
    server.set('later');
    await has(names, 'later');
  });

  it('waits for a server that is not there yet', async () => {
    server.intercept = (_, response) => {
      response.destroy();
      return true;
    };
    const started = reflect();
    await delay(100);
    server.intercept = undefined;
    await started;
  });

  it('says how long ago it heard of the server', async () => {
    const { reflector } = await reflect();
    await delay(120);
    expect(reflector.ageSeconds).toBeGreaterThan(0.1);
    server.bookmark();
    await waitFor('the bookmark', () => reflector.ageSeconds < 0.1, { everyMs: 2 });
  });
});

describe('a page of a list that is no list', () => {
  it('is tried again', async () => {
    let tries = 0;
    server.intercept = (_, response) => {
      if (tries++ > 0) return false;
      send(response, 200, 'nonsense');
      return true;
    };
    const { lines } = await reflect();
    expect(lines.some(({ message }) => message === 'watch failed')).toBe(true);
  });
});
