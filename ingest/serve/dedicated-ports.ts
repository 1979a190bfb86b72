import { setTimeout as delay } from 'node:timers/promises';
import type { StreamConfig } from '../../crds/stream-config.ts';
import type { Log } from '../runtime/log.ts';

/** Opens and closes the listener that one path has for itself. */
export interface PathListeners {
  listen(port: number, path: string): Promise<unknown>;
  close(path: string): Promise<void>;
}

/** A port that another path is about to leave, or that a program outside holds, is tried again. */
const RETRY_MS = 2000;

/**
 * UDP ports that lead to one stream each, for SRT encoders without a stream id. Follows the configured streams: one change after the
 * other, ports that are left before ports that are taken. A port that cannot be opened is tried again, and harms no other.
 */
export class DedicatedPorts implements AsyncDisposable {
  readonly #listeners: PathListeners;
  readonly #log: Log;
  readonly #retryMs: number;
  readonly #wanted = new Map<string, number>();
  readonly #open = new Map<string, number>();
  readonly #problems = new Map<string, string>();
  #problemListener: ((path: string) => void) | undefined;
  #isStopped = false;
  #isSettled = true;
  #settling: Promise<void> = Promise.resolve();
  /** While it waits to try again; aborted, it does so at once. */
  #pause: AbortController | undefined;

  constructor(listeners: PathListeners, log: Log, retryMs = RETRY_MS) {
    this.#listeners = listeners;
    this.#log = log;
    this.#retryMs = retryMs;
  }

  /** Why the port of a path is not open; undefined: it is, or there is none, or it has not been tried yet. */
  problemOf(path: string): string | undefined {
    return this.#problems.get(path);
  }

  /** `listener` is told when there is another problem with the port of a path, or none any more. */
  onProblem(listener: (path: string) => void): () => void {
    this.#problemListener = listener;
    return () => {
      this.#problemListener = undefined;
    };
  }

  /** What a path leads to has changed; undefined: it leads nowhere. */
  follow(path: string, config: StreamConfig | undefined): void {
    const port = config === undefined || config.state === 'deleting' ? null : config.srt.dedicatedPort;
    if (port === (this.#wanted.get(path) ?? null)) return;
    if (port === null) this.#wanted.delete(path);
    else this.#wanted.set(path, port);
    this.#setProblem(path, undefined);
    this.#pause?.abort();
    if (!this.#isSettled) return;
    this.#isSettled = false;
    this.#settling = this.#settle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    this.#pause?.abort();
    await this.#settling;
  }

  async #settle(): Promise<void> {
    while (!this.#isStopped) {
      const left = [...this.#open].find(([path, port]) => this.#wanted.get(path) !== port);
      if (left !== undefined) {
        this.#open.delete(left[0]);
        await this.#listeners.close(left[0]);
        continue;
      }
      const missing = [...this.#wanted].filter(([path]) => !this.#open.has(path));
      if (missing.length === 0) break;
      this.#pause = new AbortController();
      const opened = await Promise.all(missing.map(([path, port]) => this.#tryToOpen(path, port)));
      if (!opened.includes(false)) continue;
      await delay(this.#retryMs, undefined, { signal: this.#pause.signal }).catch(() => {});
    }
    this.#isSettled = true;
  }

  async #tryToOpen(path: string, port: number): Promise<boolean> {
    try {
      await this.#listeners.listen(port, path);
      this.#open.set(path, port);
      this.#setProblem(path, undefined);
      return true;
    } catch (error) {
      if (this.#wanted.get(path) !== port) return false;
      const problem = `its dedicated UDP port ${port} cannot be opened: ${(error as Error).message}`;
      if (this.#setProblem(path, problem)) {
        this.#log.error({ err: error, stream_key: path, port }, 'dedicated port not opened');
      }
      return false;
    }
  }

  /** Whether that is news. */
  #setProblem(path: string, problem: string | undefined): boolean {
    if (this.#problems.get(path) === problem) return false;
    if (problem === undefined) this.#problems.delete(path);
    else this.#problems.set(path, problem);
    this.#problemListener?.(path);
    return true;
  }
}
