import { tool } from '../../setup/tools.ts';
import { output } from '../process.ts';

/**
 * Addresses for processes that stand for pods, on a bridge that is made for one test file: an API server takes no loopback
 * address in an EndpointSlice. Needs root. Disposal removes the bridge.
 */
export class PodAddresses implements AsyncDisposable {
  readonly all: readonly string[];
  readonly #bridge: string;

  private constructor(bridge: string, all: readonly string[]) {
    this.#bridge = bridge;
    this.all = all;
  }

  /** @throws Error with the reason, and how to leave out the suite */
  static async make(count: number): Promise<PodAddresses> {
    const subnet = process.pid % 250;
    const bridge = `hwpods${process.pid}`;
    const addresses = Array.from({ length: count }, (_, index) => `10.251.${subnet}.${index + 1}`);
    const ip = (...args: string[]) => output(tool('ip'), args);
    try {
      await ip('link', 'add', bridge, 'type', 'bridge');
    } catch (error) {
      const how = 'HEADWATER_TEST_WITHOUT=kube-api leaves that suite out';
      throw new Error(`the addresses of pods need a bridge, and so root or CAP_NET_ADMIN; ${how}`, { cause: error });
    }
    const made = new PodAddresses(bridge, addresses);
    try {
      for (const address of addresses) await ip('address', 'add', `${address}/24`, 'dev', bridge);
      await ip('link', 'set', bridge, 'up');
      return made;
    } catch (error) {
      await made[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await output(tool('ip'), ['link', 'delete', this.#bridge]);
  }
}
