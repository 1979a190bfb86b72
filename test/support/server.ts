import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StreamView } from './api-types.ts';
import { freePort, freeUdpPort } from './ports.ts';
import { type Exit, start, type TestProcess } from './process.ts';
import { ServerLog } from './server-log.ts';
import { TempDir } from './temp-dir.ts';
import { waitFor } from './wait-for.ts';

const ROOT = join(import.meta.dirname, '../..');

/** The ports one server listens on; hand them to its successor to restart it in the same place. */
export interface ServerPorts {
  readonly rtmp: number;
  /** UDP. */
  readonly srt: number;
  readonly http: number;
  readonly metrics: number;
}

export interface ServerOptions {
  /** Flags of `headwater serve` beside listeners, store and log. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Folder for store and spool: one of its own that is removed at disposal, unless given. */
  readonly dir?: string;
  readonly ports?: ServerPorts;
  /** Flags of node itself, e.g. `--inspect=…`. */
  readonly nodeArgs?: readonly string[];
  readonly uid?: number;
  readonly gid?: number;
  /** `args` are all of the command line, but for the other listeners and the log's format: as a person types it. */
  readonly plain?: boolean;
  /** Neither `--store` nor `--spool` are given: `args` say where recordings go. */
  readonly ownStore?: boolean;
}

/** `headwater serve` as a real process. Disposal kills it and removes its folder. */
export interface Server extends AsyncDisposable {
  readonly process: TestProcess;
  readonly pid: number;
  readonly dir: string;
  /** Folder of the `file://` store. */
  readonly store: string;
  readonly spool: string;
  readonly ports: ServerPorts;
  readonly log: ServerLog;
  waitForLog: ServerLog['waitForLog'];
  /** `rtmp://127.0.0.1:PORT/<path>`. */
  rtmp(path: string): string;
  /** `srt://127.0.0.1:PORT?streamid=<id>`, with further options of the caller's behind it. */
  srt(streamId: string, options?: Readonly<Record<string, string | number>>): string;
  /** `http://127.0.0.1:PORT/<path>.flv`. */
  flv(path: string): string;
  /** GET of `/api/v1/<path>` as JSON. @throws Error with status and body when it isn't 200. */
  api<T>(path: string): Promise<T>;
  /** What the API says of a stream; undefined while it is not known (404). */
  stream(path: string): Promise<StreamView | undefined>;
  /** The value of a metric, all its labels summed, 0 where it is absent. */
  metric(name: string): Promise<number>;
  /** Sends the signal (SIGTERM) and waits for the end. */
  stop(signal?: NodeJS.Signals, timeoutMs?: number): Promise<Exit>;
  /** SIGKILL. */
  kill(): Promise<Exit>;
  /** Resident memory in bytes, and open descriptors. */
  rss(): number;
  fds(): number;
}

/** Starts the server and waits until it listens. @throws Error with its log when it doesn't. */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const ports = options.ports ?? (await freePorts());
  const temp = options.dir === undefined ? new TempDir('server') : undefined;
  const dir = options.dir ?? temp!.path;
  const store = join(dir, 'store');
  const spool = join(dir, 'spool');
  const log = new ServerLog();
  const args = [
    ...(options.nodeArgs ?? []),
    join(ROOT, 'cli.ts'),
    'serve',
    ...['--http-listen', `127.0.0.1:${ports.http}`, '--metrics-addr', `127.0.0.1:${ports.metrics}`],
    ...['--log-format', 'json', '--srt-listen', `127.0.0.1:${ports.srt}`],
    ...(options.plain ? [] : ['--listen', `127.0.0.1:${ports.rtmp}`, '--log-level', 'debug']),
    ...(options.plain || options.ownStore ? [] : ['--store', `file://${store}`, '--spool', spool]),
    ...(options.args ?? []),
  ];
  const child = start(process.execPath, args, {
    cwd: options.cwd ?? dir,
    onStdout: (data) => log.push(data),
    ...(options.env && { env: options.env }),
    ...(options.uid !== undefined && { uid: options.uid }),
    ...(options.gid !== undefined && { gid: options.gid }),
  });
  const http = `http://127.0.0.1:${ports.http}`;
  const server: Server = {
    process: child,
    pid: child.pid,
    dir,
    store,
    spool,
    ports,
    log,
    waitForLog: (msg, fields, how) => log.waitForLog(msg, fields, how),
    rtmp: (path) => `rtmp://127.0.0.1:${ports.rtmp}/${path}`,
    srt: (streamId, more = {}) => srtUrl(ports.srt, { streamid: streamId, ...more }),
    flv: (path) => `${http}/${path}.flv`,
    api: async <T>(path: string) => {
      const response = await fetch(`${http}/api/v1/${path}`);
      const body = await response.text();
      if (response.status !== 200) throw new Error(`GET /api/v1/${path}: ${response.status} ${body}`);
      return JSON.parse(body) as T;
    },
    stream: async (path) => {
      const response = await fetch(`${http}/api/v1/streams/${path}`);
      if (response.status === 404) return void (await response.body?.cancel());
      return (await response.json()) as StreamView;
    },
    metric: async (name) => sumOf(name, await (await fetch(`http://127.0.0.1:${ports.metrics}/metrics`)).text()),
    stop: (signal = 'SIGTERM', timeoutMs = 40_000) => child.stop(signal, timeoutMs),
    kill: () => child.stop('SIGKILL'),
    rss: () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]) * 1024,
    fds: () => readdirSync(`/proc/${child.pid}/fd`).length,
    [Symbol.asyncDispose]: async () => {
      await child[Symbol.asyncDispose]();
      temp?.[Symbol.dispose]();
    },
  };
  try {
    await waitFor('the server to listen', () => isListening(server), { timeoutMs: 20_000 });
    return server;
  } catch (error) {
    const said = `${log.tail()}\n${child.stderr.slice(-4000)}`;
    await server[Symbol.asyncDispose]();
    throw new Error(`the server did not start:\n${said}`, { cause: error });
  }
}

/** The URL of an SRT listener on this machine, with a caller's options. '#' has to be escaped, or it ends the URL. */
export function srtUrl(port: number, options: Readonly<Record<string, string | number>>): string {
  const query = Object.entries(options).map(([name, value]) => `${name}=${String(value).replaceAll('#', '%23')}`);
  return `srt://127.0.0.1:${port}?${query.join('&')}`;
}

/** Ports nobody listens on. */
export async function freePorts(): Promise<ServerPorts> {
  return { rtmp: await freePort(), srt: await freeUdpPort(), http: await freePort(), metrics: await freePort() };
}

async function isListening(server: Server): Promise<boolean> {
  if (server.process.exit) throw new Error(`the server ended with ${JSON.stringify(server.process.exit)}`);
  try {
    const response = await fetch(`http://127.0.0.1:${server.ports.metrics}/readyz`);
    await response.body?.cancel();
    return response.status === 200;
  } catch {
    return false; // not listening yet
  }
}

function sumOf(name: string, exposition: string): number {
  const lines = exposition.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
