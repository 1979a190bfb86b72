import { afterEach, describe, expect, it } from 'vitest';
import type { StreamConfig } from '../../crds/stream-config.ts';
import { NO_LOG } from '../../test/support/kube/test-log.ts';
import { streamConfig } from '../../test/support/stream-config.ts';
import { waitFor } from '../../test/support/wait-for.ts';
import { DedicatedPorts, type PathListeners } from './dedicated-ports.ts';

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
});
