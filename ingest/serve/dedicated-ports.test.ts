import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { StreamConfig } from '../../crds/stream-config.ts';
import { NO_LOG, recordingLog } from '../../test/support/kube/test-log.ts';
import { freeUdpPort } from '../../test/support/ports.ts';
import { SrtCaller } from '../../test/support/srt-caller.ts';
import { streamConfig } from '../../test/support/stream-config.ts';
import { waitFor } from '../../test/support/wait-for.ts';
import { ALLOW_ALL } from '../auth/authorizer.ts';
import { SettingsSrtPolicies } from '../auth/srt-policies.ts';
import { DEFAULTS } from '../config/defaults.ts';
import { Hub } from '../relay/hub.ts';
import { NO_METER } from '../runtime/meter.ts';
import { AddressLimits } from './address-limits.ts';
import { DedicatedPorts, type PathListeners } from './dedicated-ports.ts';
import { SrtServer } from './srt-server.ts';

/** Sockets of a machine on which some ports are taken. */
class Ports implements PathListeners {
  readonly told: string[] = [];
  readonly taken = new Set<number>();
  readonly #portOf = new Map<string, number>();

  async listen(port: number, path: string): Promise<void> {
    if (this.taken.has(port)) throw new Error(`${port} is taken`);
    this.taken.add(port);
    this.#portOf.set(path, port);
    this.told.push(`open ${port} ${path}`);
  }

  async close(path: string): Promise<void> {
    this.taken.delete(this.#portOf.get(path)!);
    this.told.push(`close ${path}`);
  }
}

const config = (path: string, dedicatedPort: number | null, state: StreamConfig['state'] = 'active'): StreamConfig =>
  streamConfig({
    path,
    uid: path,
    state,
    srt: { latencyMs: 120, encryption: 'Required', keyLength: 32, dedicatedPort },
  });

describe('dedicated ports', () => {
  let ports: Ports;
  let dedicated: DedicatedPorts;
  const start = (): void => {
    ports = new Ports();
    dedicated = new DedicatedPorts(ports, NO_LOG, 10);
  };
  const follow = (path: string, port: number | null, state?: StreamConfig['state']): void =>
    dedicated.follow(path, config(path, port, state));
  const told = (...want: string[]): Promise<unknown> =>
    waitFor(want.join(', '), () => ports.told.length >= want.length).then(() => expect(ports.told).toEqual(want));
  afterEach(() => dedicated[Symbol.asyncDispose]());

  it('open with their stream, and close when it is deleted, gone, or wants none', async () => {
    start();
    follow('a', 20_000);
    follow('b', 20_001);
    follow('c', 20_002);
    follow('d', null);
    await told('open 20000 a', 'open 20001 b', 'open 20002 c');
    follow('a', 20_000, 'deleting');
    dedicated.follow('b', undefined);
    follow('c', null);
    await waitFor('all closed', () => ports.taken.size === 0);
  });

  it('stay as they are while a stream changes otherwise, and while it is suspended', async () => {
    start();
    follow('a', 20_000);
    await told('open 20000 a');
    follow('a', 20_000);
    follow('a', 20_000, 'suspended');
    follow('b', 20_001);
    await told('open 20000 a', 'open 20001 b');
  });

  it('change hands, whichever change comes first', async () => {
    start();
    follow('a', 20_000);
    await told('open 20000 a');
    follow('b', 20_000);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(ports.told).toEqual(['open 20000 a']);
    follow('a', 20_001);
    await told('open 20000 a', 'close a', 'open 20001 a', 'open 20000 b');
  });

  it('are tried again where a program outside holds one', async () => {
    start();
    ports.taken.add(20_000);
    follow('a', 20_000);
    follow('b', 20_001);
    await told('open 20001 b');
    ports.taken.delete(20_000);
    await told('open 20001 b', 'open 20000 a');
  });

  it('say what is wrong with one, once, and that it is well again', async () => {
    ports = new Ports();
    const { log, lines } = recordingLog();
    dedicated = new DedicatedPorts(ports, log, 5);
    const changes: (string | undefined)[] = [];
    dedicated.onProblem((path) => changes.push(dedicated.problemOf(path)));
    ports.taken.add(20_000);
    follow('a', 20_000);
    await waitFor('the problem', () => changes.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(changes).toEqual(['its dedicated UDP port 20000 cannot be opened: 20000 is taken']);
    expect(lines.map(({ message }) => message)).toEqual(['dedicated port not opened']);
    ports.taken.delete(20_000);
    await waitFor('it to be open', () => changes.length > 1);
    expect([...changes.slice(1), ...ports.told]).toEqual([undefined, 'open 20000 a']);
  });

  it('open at once, though another is waited for', async () => {
    ports = new Ports();
    dedicated = new DedicatedPorts(ports, NO_LOG, 60_000);
    ports.taken.add(20_000);
    follow('a', 20_000);
    await waitFor('the problem', () => dedicated.problemOf('a') !== undefined);
    follow('b', 20_001);
    await told('open 20001 b');
  });
});

describe('dedicated ports of an SRT server', () => {
  const policies = new SettingsSrtPolicies({ ...DEFAULTS.srt, paths: new Map() }, () => undefined);
  const stack = new AsyncDisposableStack();
  afterAll(() => stack.disposeAsync());

  function server(): SrtServer {
    const hub = new Hub({
      settings: {
        ...{ ...DEFAULTS.relay, ...DEFAULTS.play, ...DEFAULTS.rtmp, viewer: DEFAULTS.viewer },
        onDuplicate: 'Reject',
      },
      claim: () => ({ pub: 'abcdefgh', epoch: 1 }),
      taps: [],
      ...{ log: NO_LOG, meter: NO_METER },
    });
    stack.defer(() => hub.close());
    return stack.use(
      new SrtServer({
        ...{ hub, policies, authorizer: ALLOW_ALL, limits: DEFAULTS.limits },
        settings: { ...DEFAULTS.srt, listen: null, paths: new Map() },
        waitForPublisher: 100,
        addresses: new AddressLimits(DEFAULTS.limits, NO_LOG, NO_METER),
        ...{ log: NO_LOG, meter: NO_METER },
      }),
    );
  }

  it('take publishers without a stream id, cut them when they move or go, and wait for a port that is held', async () => {
    const host = '127.0.0.1';
    const srt = server();
    const { log, lines } = recordingLog();
    const listeners: PathListeners = {
      listen: (port, path) => srt.listen({ host, port }, path),
      close: (path) => srt.close(path),
    };
    const dedicated = stack.use(new DedicatedPorts(listeners, log, 50));
    const [first, second] = [await freeUdpPort(), await freeUdpPort()];
    const isOpen = async (port: number): Promise<boolean> => {
      try {
        await using caller = await SrtCaller.connect(port, { timeoutMs: 300 });
        await caller.close();
        return true;
      } catch (error) {
        // Who is refused has been answered.
        return (error as { code?: string }).code === 'ERR_SRT_REFUSED';
      }
    };
    dedicated.follow('team/cam', config('team/cam', first));
    const live = await waitFor('the port', () => SrtCaller.connect(first, { timeoutMs: 300 }).catch(() => undefined));
    // Whatever a stream id says, the port leads to its stream, where somebody already is.
    const busy = SrtCaller.connect(first, { streamId: 'publish:team/other', timeoutMs: 5000 });
    await expect(busy).rejects.toMatchObject({ code: 'ERR_SRT_REFUSED', message: expect.stringContaining('conflict') });

    const holder = createSocket('udp4').bind(second, host);
    await once(holder, 'listening');
    dedicated.follow('team/cam', config('team/cam', second));
    expect(await live.closed).toBe('shutdown');
    await waitFor('the problem', () => dedicated.problemOf('team/cam') !== undefined);
    expect(dedicated.problemOf('team/cam')).toMatch(new RegExp(`dedicated UDP port ${second} cannot be opened: `));
    expect(lines.at(-1)).toMatchObject({ level: 'error', fields: { err: { code: 'ERR_LISTEN' }, port: second } });
    expect(await isOpen(first)).toBe(false);
    await new Promise((resolve) => holder.close(() => resolve(undefined)));
    await waitFor('the port that was held', () => isOpen(second));
    expect(dedicated.problemOf('team/cam')).toBeUndefined();
    dedicated.follow('team/cam', undefined);
    await waitFor('it to be closed', async () => !(await isOpen(second)));
    await live[Symbol.asyncDispose]();
  });
});
