import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { tool } from '../setup/tools.ts';
import { type ProcessOptions, start, type TestProcess } from '../support/process.ts';
import { waitFor } from '../support/wait-for.ts';
import type { RelayWay } from './relay.ts';

/** What becomes of datagrams between the client's host and one port of ours, each way. */
export interface Weather {
  readonly lossPercent: number;
  readonly delayMs: number;
  readonly jitterMs: number;
}

const FIRST_RELAY_PORT = 7001;
let networks = 0;

/**
 * Three hosts: a client, a network between, and this one. Each of the first two is a network namespace of its own; the network loses, delays
 * and reorders datagrams on the ways that were asked for. Needs root. Disposal removes all of it.
 */
export class LossyNetwork implements AsyncDisposable {
  /** Address of this host, where servers listen. */
  readonly here: string;
  /** Address of the network's host as the client sees it. */
  readonly #gate: string;
  readonly #client: string;
  readonly #network: string;
  readonly #ways: (RelayWay & { readonly lossPercent: number })[] = [];
  #relay: TestProcess | undefined;

  private constructor(name: string, subnet: string) {
    this.#client = `${name}c`;
    this.#network = `${name}n`;
    this.here = `${subnet}.1`;
    this.#gate = `${subnet}.5`;
  }

  static open(): LossyNetwork {
    // Names of interfaces have 15 characters at most. Processes that run at the same time have other ids.
    const number = networks++;
    const name = `hw${process.pid}x${number}`;
    const net = new LossyNetwork(name, `10.${100 + ((process.pid >> 8) % 100)}.${(process.pid + number) % 256}`);
    try {
      net.#build(name);
    } catch (error) {
      net.#remove();
      throw error;
    }
    return net;
  }

  /** A way from the client to a UDP port of this host; returns `host:port` that the client is to use. All ways first, then `begin`. */
  way(port: number, weather: Weather): string {
    const relayPort = FIRST_RELAY_PORT + this.#ways.length;
    this.#ways.push({ port: relayPort, target: { address: this.here, port }, ...weather });
    return `${this.#gate}:${relayPort}`;
  }

  /** The weather sets in. */
  async begin(): Promise<void> {
    const rules = this.#ways.flatMap(({ port, target, lossPercent }) =>
      [`udp dport ${port}`, `ip saddr ${target.address} udp sport ${target.port}`].map(
        (what) => `add rule inet weather input ${what} numgen random mod 1000 < ${lossPercent * 10} counter drop`,
      ),
    );
    const chain = 'add chain inet weather input { type filter hook input priority 0; policy accept; }';
    run('nft', ['-f', '-'], this.#network, ['add table inet weather', chain, ...rules, ''].join('\n'));
    const script = join(import.meta.dirname, 'relay.ts');
    this.#relay = this.#start(this.#network, process.execPath, [script, JSON.stringify(this.#ways)]);
    const relay = this.#relay;
    await waitFor('the relay to listen', () => {
      if (relay.exit) throw new Error(`the relay ended: ${relay.stderr}`);
      return relay.stdout.includes('ready');
    });
  }

  /** Datagrams that the weather has taken so far. */
  lost(): number {
    const rules = run('nft', ['list', 'table', 'inet', 'weather'], this.#network);
    return [...rules.matchAll(/counter packets (\d+)/g)].reduce((sum, [, packets]) => sum + Number(packets), 0);
  }

  /** How often data that went there (to us) or back came under a new key so far, all connections together. */
  newKeys(direction: 'there' | 'back'): number {
    return (this.#relay?.stdout ?? '').split(`new key ${direction}\n`).length - 1;
  }

  /** Starts a program on the client's host. */
  client(command: string, args: readonly string[], options: ProcessOptions = {}): TestProcess {
    return this.#start(this.#client, command, args, options);
  }

  /** Starts a program on the host between, one hop from here without any weather. */
  neighbour(command: string, args: readonly string[], options: ProcessOptions = {}): TestProcess {
    return this.#start(this.#network, command, args, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#relay?.[Symbol.asyncDispose]();
    this.#remove();
  }

  #start(host: string, command: string, args: readonly string[], options: ProcessOptions = {}): TestProcess {
    return start(tool('ip'), ['netns', 'exec', host, command, ...args], options);
  }

  #build(name: string): void {
    const [client, network] = [this.#client, this.#network];
    const subnet = this.here.slice(0, -2);
    run('ip', ['netns', 'add', client]);
    run('ip', ['netns', 'add', network]);
    run('ip', ['link', 'add', `${name}a`, 'type', 'veth', 'peer', 'name', `${name}b`, 'netns', network]);
    run('ip', [
      'link',
      'add',
      `${name}d`,
      'netns',
      network,
      'type',
      'veth',
      'peer',
      'name',
      `${name}e`,
      'netns',
      client,
    ]);
    for (const [host, device, address] of [
      [undefined, `${name}a`, `${subnet}.1/30`],
      [network, `${name}b`, `${subnet}.2/30`],
      [network, `${name}d`, `${subnet}.5/30`],
      [client, `${name}e`, `${subnet}.6/30`],
    ] as const) {
      run('ip', ['address', 'add', address, 'dev', device], host);
      run('ip', ['link', 'set', device, 'up'], host);
    }
    for (const host of [client, network]) run('ip', ['link', 'set', 'lo', 'up'], host);
  }

  /** The interfaces go with the namespaces that hold their other ends. */
  #remove(): void {
    for (const host of [this.#client, this.#network]) spawnSync(tool('ip'), ['netns', 'delete', host]);
  }
}

/** Runs a program, on another host where one is named. @throws Error with its words when it fails. */
function run(name: 'ip' | 'nft', args: readonly string[], host?: string, input = ''): string {
  const words = [tool(name), ...args];
  const [command, ...rest] = host === undefined ? words : [tool('ip'), 'netns', 'exec', host, ...words];
  const { status, stdout, stderr, error } = spawnSync(command as string, rest, { input, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${[command, ...rest].join(' ')}: ${error?.message ?? stderr} (root is needed)`);
  return stdout;
}
