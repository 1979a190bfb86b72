import { spawn } from 'node:child_process';
import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { aptInstall, findProgram, missingPackages } from './apt-tools.ts';
import { cached } from './cache.ts';
import { FFMPEG9, MINIO } from './tools.ts';

/** What the tests need and how far it is. `minio` takes minutes the first time: only the suites that need it wait. */
export interface Setup {
  readonly clients: Promise<void>;
  readonly minio: Promise<void>;
}

/** Starts to install what of `needs` is not there. @throws Error, by the promises, with the command that would help. */
export function setUp(needs: ReadonlySet<keyof Setup>, say: (line: string) => void = console.log): Setup {
  const clients = needs.has('clients') ? installClients(say) : Promise.resolve();
  const minio = needs.has('minio') ? step(say, 'MinIO', installMinio) : Promise.resolve();
  // A failure is reported by whoever awaits it; nobody may have got there yet.
  clients.catch(() => {});
  minio.catch(() => {});
  return { clients, minio };
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
    const go = findProgram('go');
    if (!go) {
      const backport = 'sudo apt-get install -y -t bookworm-backports golang-go';
      throw new Error(`MinIO is built with Go (1.21 or newer), which is not on the PATH; run:\n  ${backport}`);
    }
    // Low priority: the first suites run meanwhile.
    await run(['nice', go, 'install', '-trimpath', MINIO.module], { GOBIN: join(dir, 'bin'), CGO_ENABLED: '0' });
  });
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
function run(words: readonly string[], env: Record<string, string> = {}): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const child = spawn(words[0]!, words.slice(1), {
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
  const { clients, minio } = setUp(new Set(['clients', 'minio'] as const));
  const faults = (await Promise.allSettled([clients, minio])).filter((each) => each.status === 'rejected');
  for (const fault of faults) console.error(fault.reason instanceof Error ? fault.reason.message : fault.reason);
  if (faults.length > 0) process.exitCode = 1;
}
