import { spawn } from 'node:child_process';
import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { aptInstall, findProgram, missingPackages } from './apt-tools.ts';
import { cached } from './cache.ts';
import { buildHelm, buildKubernetes, HELM, KUBERNETES } from './kube/build.ts';
import { checkNode } from './kube/node-check.ts';
import { FFMPEG9, MINIO } from './tools.ts';

/** What the tests need and how far it is. All but `clients` is built from source, which takes minutes the first time. */
export interface Setup {
  readonly clients: Promise<void>;
  readonly minio: Promise<void>;
  readonly kubernetes: Promise<void>;
  readonly helm: Promise<void>;
  /** Nothing to install: whether this machine and this user can be a node of a cluster. */
  readonly node: Promise<void>;
}

type Need = keyof Setup;

/** Starts to install what of `needs` is not there. @throws Error, by the promises, with the command that would help. */
export function setUp(needs: ReadonlySet<Need>, say: (line: string) => void = console.log): Setup {
  const start = (need: Need, work: () => Promise<void>): Promise<void> => {
    const done = needs.has(need) ? work() : Promise.resolve();
    // A failure is reported by whoever awaits it; nobody may have got there yet.
    done.catch(() => {});
    return done;
  };
  const clients = start('clients', () => installClients(say));
  // One after the other: they share the cores, and Go's cache.
  const minio = start('minio', () => step(say, 'MinIO', installMinio));
  const kubernetes = start('kubernetes', async () => {
    await minio.catch(() => {});
    await step(say, 'Kubernetes', installKubernetes);
  });
  const helm = start('helm', async () => {
    await kubernetes.catch(() => {});
    await step(say, 'Helm', installHelm);
  });
  const node = start('node', async () => {
    await clients;
    checkNode();
  });
  return { clients, minio, kubernetes, helm, node };
}

async function installClients(say: (line: string) => void): Promise<void> {
  await step(say, 'programs of the distribution', installPackages);
  await step(say, 'ffmpeg 9', installFfmpeg9);
}

async function installPackages(): Promise<void> {
  const packages = missingPackages();
  if (packages.length === 0) return;
  const install = aptInstall(packages);
  const byHand = `sudo apt-get update && sudo ${install.join(' ')}`;
  const prefix = process.getuid?.() === 0 ? [] : findProgram('sudo') ? ['sudo', '-n'] : undefined;
  if (!prefix || !findProgram('apt-get'))
    throw new Error(`the tests need programs that are not here; run:\n  ${byHand}`);
  try {
    await run([...prefix, 'apt-get', 'update']);
    await run([...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', ...install]);
  } catch (error) {
    throw new Error(`installing failed; run:\n  ${byHand}`, { cause: error });
  }
  const still = missingPackages();
  if (still.length > 0) throw new Error(`still missing after the install: ${still.join(' ')}; run:\n  ${byHand}`);
}

async function installFfmpeg9(): Promise<void> {
  await cached(FFMPEG9, async (dir) => {
    const target = join(dir, 'python');
    const pip = ['python3', '-m', 'pip', 'install', '--quiet', '--no-deps', '--only-binary', ':all:'];
    await run([...pip, '--target', target, FFMPEG9.requirement]);
    const binaries = join('python', 'imageio_ffmpeg', 'binaries');
    const name = (await readdir(join(dir, binaries))).find((file) => file.startsWith('ffmpeg-'));
    if (!name) throw new Error(`${FFMPEG9.requirement} has no ffmpeg for ${process.platform}-${process.arch}`);
    await mkdir(join(dir, 'bin'));
    await symlink(join('..', binaries, name), join(dir, 'bin', 'ffmpeg'));
    await run(['chmod', '+x', join(dir, binaries, name)]);
  });
}

async function installMinio(): Promise<void> {
  await cached(MINIO, async (dir) => {
    // Low priority: the first suites run meanwhile.
    await run(['nice', findGo('MinIO'), 'install', '-trimpath', MINIO.module], {
      env: { GOBIN: join(dir, 'bin'), CGO_ENABLED: '0' },
    });
  });
}

async function installKubernetes(): Promise<void> {
  await cached(KUBERNETES, (dir) => buildKubernetes(dir, findGo('Kubernetes'), run));
}

async function installHelm(): Promise<void> {
  await cached(HELM, (dir) => buildHelm(dir, findGo('Helm'), run));
}

/** A Go of 1.21 or newer fetches the newer one that a module asks for. */
function findGo(what: string): string {
  const go = findProgram('go');
  if (go) return go;
  const backport = 'sudo apt-get install -y -t bookworm-backports golang-go';
  throw new Error(`${what} is built with Go (1.21 or newer), which is not on the PATH; run:\n  ${backport}`);
}

async function step(say: (line: string) => void, name: string, work: () => Promise<void>): Promise<void> {
  const began = performance.now();
  const slow = setInterval(() => say(`setup: ${name} … ${seconds(began)}`), 15_000).unref();
  try {
    await work();
    say(`setup: ${name} ready (${seconds(began)})`);
  } catch (error) {
    say(`setup: ${name} failed (${seconds(began)})`);
    throw error;
  } finally {
    clearInterval(slow);
  }
}

function seconds(began: number): string {
  return `${((performance.now() - began) / 1000).toFixed(1)} s`;
}

/** Runs a command and keeps its last output for the error. */
function run(
  words: readonly string[],
  { env = {}, cwd }: { readonly env?: Record<string, string>; readonly cwd?: string } = {},
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const child = spawn(words[0]!, words.slice(1), {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let tail = '';
  const keep = (data: Buffer) => {
    tail = (tail + data.toString()).slice(-4000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  child.on('error', reject);
  child.on('close', (code) =>
    code === 0 ? resolve() : reject(new Error(`${words.join(' ')} exited with ${code}:\n${tail}`)),
  );
  return promise;
}

if (import.meta.main) {
  const needs = new Set(['clients', 'minio', 'kubernetes', 'helm'] as const);
  const faults = (await Promise.allSettled(Object.values(setUp(needs)))).filter((each) => each.status === 'rejected');
  for (const fault of faults) console.error(fault.reason instanceof Error ? fault.reason.message : fault.reason);
  if (faults.length > 0) process.exitCode = 1;
}
