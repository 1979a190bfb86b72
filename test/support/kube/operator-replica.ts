import { join } from 'node:path';
import { type Exit, start, type TestProcess } from '../process.ts';
import { ServerLog } from '../server-log.ts';
import { waitFor } from '../wait-for.ts';

const CLI = join(import.meta.dirname, '../../../cli.ts');

export interface OperatorReplicaOptions {
  /** File. */
  readonly config: string;
  readonly identity: string;
  /** Port on loopback. */
  readonly metrics: number;
  readonly env: Readonly<Record<string, string>>;
  readonly dir: string;
}

/** `headwater operator` as a real process. Disposal kills it. */
export class OperatorReplica implements AsyncDisposable {
  readonly identity: string;
  readonly log: ServerLog;
  readonly process: TestProcess;
  readonly #url: string;

  constructor(identity: string, metrics: number, log: ServerLog, child: TestProcess) {
    this.identity = identity;
    this.#url = `http://127.0.0.1:${metrics}`;
    this.log = log;
    this.process = child;
  }

  /** Whether it says that it is ready. */
  async isReady(): Promise<boolean> {
    const response = await this.#ask('/readyz');
    await response?.body?.cancel();
    return response?.status === 200;
  }

  /** What `/readyz` says. */
  async readiness(): Promise<string> {
    return (await (await this.#ask('/readyz'))?.text()) ?? 'no answer';
  }

  /** The sum of a metric over its labels, or over those lines that have `label` in them; 0 where it is absent. */
  async metric(name: string, label = ''): Promise<number> {
    const text = (await (await this.#ask('/metrics'))?.text()) ?? '';
    const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
    return lines
      .filter((line) => line.includes(label))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  async waitUntilReady(timeoutMs = 20_000): Promise<this> {
    await waitFor(`${this.identity} to be ready`, () => this.process.exit !== undefined || this.isReady(), {
      timeoutMs,
    }).catch(async (error: Error) => {
      throw new Error(`${error.message}: ${await this.readiness()}\n${this.#said()}`);
    });
    if (this.process.exit)
      throw new Error(`${this.identity} ended: ${JSON.stringify(this.process.exit)}\n${this.#said()}`);
    return this;
  }

  /** Sends the signal (SIGTERM), and waits for its end. */
  stop(signal: NodeJS.Signals = 'SIGTERM', timeoutMs = 20_000): Promise<Exit> {
    return this.process.stop(signal, timeoutMs);
  }

  /** Sends a signal that does not end it: SIGSTOP, SIGCONT. */
  signal(signal: NodeJS.Signals): void {
    process.kill(this.process.pid, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A process that is stopped takes SIGKILL too.
    await this.process[Symbol.asyncDispose]();
  }

  #said(): string {
    return `${this.log.tail(40)}\n${this.process.stderr.slice(-3000)}`;
  }

  async #ask(path: string): Promise<Response | undefined> {
    return fetch(this.#url + path, { signal: AbortSignal.timeout(2000) }).catch(() => undefined);
  }
}

/** Starts it. It is not awaited: a replica that does not lead may have to wait. */
export function startOperator({ config, identity, metrics, env, dir }: OperatorReplicaOptions): OperatorReplica {
  const log = new ServerLog();
  const args = [CLI, 'operator', '--config', config, '--identity', identity, '--log-format', 'json'];
  const child = start(process.execPath, [...args, '--log-level', 'debug'], {
    cwd: dir,
    env,
    onStdout: (data) => log.push(data),
  });
  return new OperatorReplica(identity, metrics, log, child);
}
