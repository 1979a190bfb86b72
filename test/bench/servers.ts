import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePort, freeUdpPort } from '../support/ports.ts';
import { start } from '../support/process.ts';
import { waitFor } from '../support/wait-for.ts';
import { cpuSeconds, residentBytes } from './process-cpu.ts';

/** A server under test: its processes, and where it listens. Disposal ends it and removes its files. */
export interface BenchServer extends AsyncDisposable {
  readonly name: string;
  readonly port: number;
  /** UDP; 0 where it takes no SRT. */
  readonly srtPort: number;
  /** Its application is `live`; `name` is the stream. */
  url(name: string): string;
  /** CPU seconds used since it started, all its processes. */
  cpuSeconds(): number;
  residentBytes(): number;
  /** Text of `/metrics`; empty where the server has none. */
  metrics(): Promise<string>;
  /** Folder of its own: logs, CPU profiles. */
  readonly dir: string;
}

const ROOT = resolve(import.meta.dirname, '../..');
const STOP_TIMEOUT_MS = 40_000;

/** nginx with the RTMP module at its defaults: one worker, chunks of 4096 bytes. */
export async function startNginx(): Promise<BenchServer> {
  const port = await freePort();
  const dir = await mkdtemp(join(tmpdir(), 'bench-nginx-'));
  const config = `load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
daemon off; worker_processes 1; pid ${dir}/pid; error_log ${dir}/error.log warn;
events { worker_connections 2048; }
rtmp { server { listen 127.0.0.1:${port}; application live { live on; } } }
`;
  await writeFile(join(dir, 'nginx.conf'), config);
  return launch({ name: 'nginx-rtmp', port, dir, command: ['nginx', '-c', join(dir, 'nginx.conf'), '-p', dir] });
}

/** node-media-server with the configuration it ships, without its console and its TLS ports. */
export async function startNodeMediaServer(): Promise<BenchServer> {
  const [port, httpPort] = [await freePort(), await freePort()];
  const dir = await mkdtemp(join(tmpdir(), 'bench-nms-'));
  const home = join(ROOT, 'node_modules/node-media-server');
  const { rtmps: _, https: __, ...config } = JSON.parse(await readFile(join(home, 'bin/config.json'), 'utf8'));
  await writeFile(join(dir, 'config.json'), JSON.stringify(config));
  // prettier-ignore
  const flags = [
    '-c',
    join(dir, 'config.json'),
    '--bind',
    '127.0.0.1',
    '--rtmp-port',
    String(port),
    '--http-port',
    String(httpPort),
    '--data-path',
    join(dir, 'data'),
    '--no-admin',
  ];
  const command = [process.execPath, join(home, 'bin/app.js'), ...flags];
  return launch({ name: 'node-media-server', port, dir, command });
}

/** How Headwater is started. */
export interface HeadwaterOptions {
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Where `--cpu-prof` writes the profile when the server ends. */
  readonly profileDir?: string | undefined;
  readonly name?: string;
}

/** Headwater as a process of its own, `node cli.ts serve`; without further flags it records nothing. */
export async function startHeadwater(options: HeadwaterOptions = {}): Promise<BenchServer> {
  const [port, httpPort, metricsPort] = [await freePort(), await freePort(), await freePort()];
  const srtPort = await freeUdpPort();
  const dir = await mkdtemp(join(tmpdir(), 'bench-headwater-'));
  const profile = options.profileDir ? ['--cpu-prof', `--cpu-prof-dir=${options.profileDir}`] : [];
  // prettier-ignore
  const command = [
    process.execPath,
    ...profile,
    join(ROOT, 'cli.ts'),
    'serve',
    '--listen',
    `127.0.0.1:${port}`,
    '--srt-listen',
    `127.0.0.1:${srtPort}`,
    '--http-listen',
    `127.0.0.1:${httpPort}`,
    '--metrics-addr',
    `127.0.0.1:${metricsPort}`,
    '--spool',
    join(dir, 'spool'),
    ...(options.flags ?? ['--record-all=false', '--store', `file://${dir}/store`]),
  ];
  const metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
  return launch({ name: options.name ?? 'headwater', port, srtPort, dir, command, metricsUrl, ...pick(options.env) });
}

interface Launch {
  readonly name: string;
  readonly port: number;
  readonly srtPort?: number;
  readonly dir: string;
  readonly command: readonly string[];
  readonly metricsUrl?: string;
  readonly env?: Readonly<Record<string, string>>;
}

async function launch({ name, port, srtPort = 0, dir, command, metricsUrl, env }: Launch): Promise<BenchServer> {
  const [file, ...args] = command;
  const child = start(file!, args, { cwd: dir, ...pick(env) });
  const dispose = async () => {
    // In words first: nginx's worker outlives a killed master.
    await child.stop('SIGTERM', STOP_TIMEOUT_MS).catch(() => {});
    await child[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await waitFor(`${name} to listen`, () => {
      if (child.exit) throw new Error(`${name} ended with ${JSON.stringify(child.exit)}`);
      return accepts(port);
    });
  } catch (error) {
    await dispose();
    throw new Error(`${child.stdout}\n${child.stderr}`, { cause: error });
  }
  return {
    name,
    port,
    srtPort,
    dir,
    url: (stream) => `rtmp://127.0.0.1:${port}/live/${stream}`,
    cpuSeconds: () => cpuSeconds(child.pid),
    residentBytes: () => residentBytes(child.pid),
    metrics: async () => (metricsUrl ? (await fetch(metricsUrl)).text() : ''),
    [Symbol.asyncDispose]: dispose,
  };
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

function pick(env: Readonly<Record<string, string>> | undefined): { env?: Readonly<Record<string, string>> } {
  return env ? { env } : {};
}
