import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeApiServer, refuse, send } from '../test/support/fake-api-server.ts';
import { recordingLog } from '../test/support/kube/test-log.ts';
import { waitFor } from '../test/support/wait-for.ts';
import { KubeClient } from './client.ts';
import { EventRecorder } from './event-recorder.ts';

const about = (name: string) => ({
  apiVersion: 'headwater.dev/v1alpha1',
  kind: 'LiveStream',
  metadata: { namespace: 'team-a', name, uid: `uid-${name}`, resourceVersion: '7' },
});
const note = (message: string) => ({ type: 'Warning' as const, reason: 'Tried', message });

let server: FakeApiServer;
let client: KubeClient;
beforeEach(async () => {
  server = await FakeApiServer.start();
  server.intercept = (_, response) => {
    send(response, 201, {});
    return true;
  };
  client = new KubeClient({ access: server.access, requestsPerSecond: 1e6, burst: 1e6 });
});
afterEach(async () => {
  await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const recorder = () => {
  const { log, lines } = recordingLog();
  return { events: new EventRecorder(client, 'headwater-operator', 'operator-1', log), lines };
};
const sent = (count: number) => waitFor('requests', () => server.requests.length === count, { everyMs: 2 });

describe('EventRecorder', () => {
  it('writes the same note once, and another one of the same reason with the count', async () => {
    const { events } = recorder();
    for (let index = 0; index < 5; index++) events.record(about('a'), note('first'));
    await sent(1);
    await delay(20);
    events.record(about('a'), note('second'));
    await sent(2);
    const [created, changed] = server.requests;
    expect(created).toMatchObject({ method: 'POST', path: '/api/v1/namespaces/team-a/events' });
    expect(JSON.parse(created!.body)).toMatchObject({
      involvedObject: { kind: 'LiveStream', name: 'a', uid: 'uid-a' },
      ...{ reason: 'Tried', message: 'first', count: 5, source: { component: 'headwater-operator' } },
    });
    expect(changed!.method).toBe('PATCH');
    expect(changed!.path).toMatch(/^\/api\/v1\/namespaces\/team-a\/events\/a\.[0-9a-f]{16}$/);
    expect(JSON.parse(changed!.body)).toMatchObject({ count: 6, message: 'second' });
  });

  it('two notes in one moment are one Event', async () => {
    const { events } = recorder();
    events.record(about('a'), note('first'));
    events.record(about('a'), note('second'));
    await sent(2);
    expect(server.requests.map(({ method }) => method)).toEqual(['POST', 'PATCH']);
  });

  it('makes another Event where the first one is gone', async () => {
    const { events } = recorder();
    events.record(about('a'), note('first'));
    await sent(1);
    await delay(20);
    server.intercept = ({ method }, response) => {
      if (method === 'PATCH') refuse(response, 404, 'not found');
      else send(response, 201, {});
      return true;
    };
    events.record(about('a'), note('second'));
    await sent(3);
    expect(server.requests.map(({ method }) => method)).toEqual(['POST', 'PATCH', 'POST']);
  });

  it('keeps objects apart', async () => {
    const { events } = recorder();
    events.record(about('a'), note('same'));
    events.record(about('b'), note('same'));
    await sent(2);
    expect(server.requests.map(({ method }) => method)).toEqual(['POST', 'POST']);
  });

  it('has a hundred on their way at most, and waits for none', async () => {
    server.intercept = () => true; // never answers
    await client[Symbol.asyncDispose]();
    client = new KubeClient({ access: server.access, maxConnections: 500 });
    const { events } = recorder();
    for (let index = 0; index < 300; index++) events.record(about(`s${index}`), note('flood'));
    await waitFor('the first ones', () => server.requests.length === 100, { everyMs: 2 });
    await delay(50);
    expect(server.requests.length).toBe(100);
  });

  it('a failure is a line in the log and no more', async () => {
    server.intercept = (_, response) => {
      refuse(response, 403, 'no');
      return true;
    };
    const { events, lines } = recorder();
    events.record(about('a'), note('first'));
    await waitFor('the line', () => lines.length === 1, { everyMs: 2 });
    expect(lines[0]).toMatchObject({ level: 'debug', message: 'Event not recorded' });
  });
});
