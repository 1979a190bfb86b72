import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { LoadReply, LoadRequest, LoadSample, LoadSpec } from './load.ts';
import type { SrtLoadSpec } from './srt-load.ts';

/** Each program knows its own kind of load. */
type AnyRequest = LoadRequest | { readonly do: 'start'; readonly spec: LoadSpec | SrtLoadSpec };

/** A load in a process of its own, so that its work is in nobody else's figures. */
export class LoadProcess implements AsyncDisposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /**
   * Starts the process; resolves when all its publishers publish and all its viewers play.
   * @throws Error with what the process said when one of them was refused.
   */
  static start(spec: LoadSpec): Promise<LoadProcess>;
  static start(spec: SrtLoadSpec, program: 'srt-load.ts'): Promise<LoadProcess>;
  static async start(spec: LoadSpec | SrtLoadSpec, program = 'load.ts'): Promise<LoadProcess> {
    const load = new LoadProcess(fork(join(import.meta.dirname, program), { stdio: 'inherit' }));
    try {
      await load.#ask({ do: 'start', spec });
    } catch (error) {
      load.#child.kill('SIGKILL');
      throw error;
    }
    return load;
  }

  /** Its counters now. */
  async sample(): Promise<LoadSample> {
    const reply = await this.#ask({ do: 'sample' });
    if (reply.did !== 'sample') throw new Error(`load process answered ${reply.did}`);
    return reply.sample;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const gone = once(this.#child, 'exit');
    await this.#ask({ do: 'stop' }).catch(() => this.#child.kill('SIGKILL'));
    await gone;
  }

  async #ask(request: AnyRequest): Promise<LoadReply> {
    const answered = new AbortController();
    const { signal } = answered;
    try {
      this.#child.send(request);
      const [reply] = await Promise.race([
        once(this.#child, 'message', { signal }) as Promise<[LoadReply]>,
        once(this.#child, 'exit', { signal }).then(([code]): never => {
          throw new Error(`load process ended with ${code}`);
        }),
      ]);
      if (reply.did === 'fail') throw new Error(reply.error);
      return reply;
    } finally {
      answered.abort();
    }
  }
}
