import { join } from 'node:path';
import { tool } from '../setup/tools.ts';
import type { TestProcess } from '../support/process.ts';
import { waitFor } from '../support/wait-for.ts';
import type { LossyNetwork } from './lossy-network.ts';

/** 5 Mbit/s. */
const MESSAGES_PER_SECOND = 475;
let nextPort = 6001;

/** srt-live-transmit on the client's host, and what feeds it a TS file. */
export class LossyPublisher implements AsyncDisposable {
  readonly #transmit: TestProcess;
  #feeder: TestProcess | undefined;
  readonly #startFeeder: (messagesPerSecond: number) => TestProcess;

  /** `target`: `host:port` and the options of the caller. */
  constructor(net: LossyNetwork, file: string, target: string, options: Readonly<Record<string, string | number>>) {
    const udp = nextPort++;
    const query = Object.entries(options).map(([name, value]) => `${name}=${value}`);
    const url = `srt://${target}?${query.join('&')}`;
    const args = ['-loglevel', 'error', '-a:no', `udp://127.0.0.1:${udp}?rcvbuf=4000000`, url];
    this.#transmit = net.client(tool('srt-live-transmit'), args);
    const feed = [join(import.meta.dirname, 'feeder.ts'), file, String(udp)];
    this.#startFeeder = (pace) => net.client(process.execPath, [...feed, String(pace)]);
  }

  /** Feeds it from the moment on at which it is connected, until all of the file has been handed over. @throws Error when it ends before. */
  async feed(timeoutMs: number, messagesPerSecond = MESSAGES_PER_SECOND): Promise<void> {
    await waitFor('srt-live-transmit to be connected', () => this.#isConnected());
    this.#feeder = this.#startFeeder(messagesPerSecond);
    const broken = this.#transmit.exited.then(() => {
      throw new Error(`srt-live-transmit ended: ${this.#transmit.stderr.slice(-1000)}`);
    });
    await Promise.race([this.#feeder.succeed(timeoutMs), broken]);
  }

  /** Says goodbye. */
  async stop(): Promise<void> {
    await this.#transmit.stop('SIGINT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#feeder?.[Symbol.asyncDispose]();
    await this.#transmit[Symbol.asyncDispose]();
  }

  /** Before that it throws away what it is fed. */
  #isConnected(): boolean {
    if (this.#transmit.exit) throw new Error(`srt-live-transmit ended: ${this.#transmit.stderr.slice(-1000)}`);
    return (this.#transmit.stderr + this.#transmit.stdout).includes('SRT target connected');
  }
}
