import { join } from 'node:path';
import { type Exit, start, type TestProcess } from '../process.ts';
import { ServerLog } from '../server-log.ts';
import { waitFor } from '../wait-for.ts';

const CLI = join(import.meta.dirname, '../../../cli.ts');

export interface IngestPodOptions {
  /** Of the pod. */
  readonly name: string;
  readonly address: string;
  /** File. */
  readonly config: string;
  readonly dir: string;
  readonly env: Readonly<Record<string, string>>;
}

/** `headwater serve` as a pod of a pool, on an address of its own. Disposal kills it. */
export class IngestPod implements AsyncDisposable {
  readonly name: string;
  readonly address: string;
  readonly log: ServerLog;
  readonly process: TestProcess;

  constructor({ name, address }: IngestPodOptions, log: ServerLog, child: TestProcess) {
    this.name = name;
    this.address = address;
    this.log = log;
    this.process = child;
  }

  /** `rtmp://ADDRESS:1935/<path>`. */
  rtmp(path: string): string {
    return `rtmp://${this.address}:1935/${path}`;
  }

  async isReady(): Promise<boolean> {
    const response = await fetch(`http://${this.address}:9090/readyz`, { signal: AbortSignal.timeout(2000) }).catch(
      () => undefined,
    );
    await response?.body?.cancel();
    return response?.status === 200;
  }

  /** Sends the signal (SIGTERM), and waits for its end. */
  stop(signal: NodeJS.Signals = 'SIGTERM', timeoutMs = 40_000): Promise<Exit> {
    return this.process.stop(signal, timeoutMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process[Symbol.asyncDispose]();
  }
}

/** Starts it, and waits until it is ready. @throws Error with its log when it isn't */
export async function startIngestPod(options: IngestPodOptions): Promise<IngestPod> {
  const log = new ServerLog();
  const identity = { HEADWATER_CLUSTER_POD_NAME: options.name, HEADWATER_CLUSTER_POD_IP: options.address };
  const child = start(process.execPath, [CLI, 'serve', '--config', options.config], {
    cwd: options.dir,
    env: { ...identity, ...options.env },
    onStdout: (data) => log.push(data),
  });
  const pod = new IngestPod(options, log, child);
  try {
    await waitFor(`${options.name} to be ready`, () => child.exit !== undefined || pod.isReady());
    if (child.exit) throw new Error(`it ended: ${JSON.stringify(child.exit)}`);
    return pod;
  } catch (error) {
    const said = `${log.tail()}\n${child.stderr.slice(-3000)}`;
    await pod[Symbol.asyncDispose]();
    throw new Error(`${options.name} did not start:\n${said}`, { cause: error });
  }
}
