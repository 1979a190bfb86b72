import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** How to start it. It has no standard input. */
export interface ProcessOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Numeric ids; needs root. */
  readonly uid?: number;
  readonly gid?: number;
  /** Called with each piece of standard output, instead of keeping it as text. */
  readonly onStdout?: (data: Buffer) => void;
}

/** Live children of this test process. Whatever a failed test leaves behind is killed, by pid, when it ends. */
const live = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of live) child.kill('SIGKILL');
});

/** A real program under test or used by one. Disposal kills it (SIGKILL) and waits for its end. */
export class TestProcess implements AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  readonly exited: Promise<Exit>;
  #exit: Exit | undefined;
  #stdout = '';
  #stderr = '';
  readonly #child: ChildProcess;

  constructor(name: string, child: ChildProcess, onStdout?: (data: Buffer) => void) {
    this.name = name;
    this.#child = child;
    if (child.pid === undefined) throw new Error(`${name} did not start`);
    this.pid = child.pid;
    live.add(child);
    // 'close' and not 'exit': only then has all of its output been read.
    this.exited = once(child, 'close').then(([code, signal]) => {
      live.delete(child);
      this.#exit = { code, signal };
      return this.#exit;
    });
    this.exited.catch(() => {});
    child.stdout?.on('data', (data: Buffer) => {
      if (onStdout) onStdout(data);
      else this.#stdout += data.toString();
    });
    child.stderr?.on('data', (data: Buffer) => {
      this.#stderr += data.toString();
    });
  }

  get exit(): Exit | undefined {
    return this.#exit;
  }
  get stdout(): string {
    return this.#stdout;
  }
  get stderr(): string {
    return this.#stderr;
  }

  /** Sends a signal and waits until it has ended. @throws Error when it has not within `timeoutMs`. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', timeoutMs = 20_000): Promise<Exit> {
    if (!this.#exit) this.#child.kill(signal);
    return this.wait(timeoutMs);
  }

  /** Waits for its end. @throws Error with the end of its output when it goes on longer. */
  async wait(timeoutMs = 60_000): Promise<Exit> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const tail = `${this.#stderr.slice(-1500)}\n${this.#stdout.slice(-500)}`;
      late.reject(new Error(`${this.name} (pid ${this.pid}) has not ended within ${timeoutMs} ms:\n${tail}`));
    }, timeoutMs);
    try {
      return await Promise.race([this.exited, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Waits for success. @throws Error with its messages when it ended otherwise. */
  async succeed(timeoutMs = 60_000): Promise<this> {
    const { code, signal } = await this.wait(timeoutMs);
    if (code !== 0) throw new Error(`${this.name} ended with ${code ?? signal}:\n${this.#stderr.slice(-4000)}`);
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL');
  }
}

/** Starts a program. The kernel kills it if this process dies without a word (a test runner's SIGKILL leaves nothing behind). */
export function start(command: string, args: readonly string[], options: ProcessOptions = {}): TestProcess {
  const ids = [
    ...(options.uid === undefined ? [] : ['--reuid', String(options.uid), '--clear-groups']),
    ...(options.gid === undefined ? [] : ['--regid', String(options.gid)]),
  ];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...ids, '--', command, ...args], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return new TestProcess(command.split('/').at(-1)!, child, options.onStdout);
}

/** Runs a program to its end and gives its standard output. @throws Error when it fails. */
export async function output(command: string, args: readonly string[], options: ProcessOptions = {}): Promise<string> {
  await using child = start(command, args, options);
  await child.succeed(120_000);
  return child.stdout;
}
