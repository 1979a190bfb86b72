import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { Fault } from '../runtime/fault.ts';
import { type Disk, errorCode, removeFile } from './disk.ts';

/** Who holds a spool: a process of a machine. `started` and `boot` tell a process from a later one with the same id. */
interface Holder {
  readonly host: string;
  readonly pid: number;
  readonly started: string;
  readonly boot: string;
}

const LOCK_NAME = '.lock';
const MAX_TRIES = 20;
/** An empty lock this young is one that another process is about to fill; an older one is what a power loss left. */
const FRESH_MS = 1000;
const RETRY_MS = 100;

/** Keeps two servers from sharing a spool folder, where each would take the other's open segments for leftovers of a crash. */
export class SpoolLock {
  readonly #disk: Disk;
  readonly #path: string;

  private constructor(disk: Disk, path: string) {
    this.#disk = disk;
    this.#path = path;
  }

  /**
   * Takes the lock, also from a process that is gone.
   * @throws Fault ERR_SPOOL_LOCKED while another process holds it; the disk's errors
   */
  static async take(disk: Disk, folder: string): Promise<SpoolLock> {
    const path = `${folder}/${LOCK_NAME}`;
    const me = describeProcess(process.pid);
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      if (await tryCreate(disk, path, me)) return new SpoolLock(disk, path);
      const holder = parseHolder(await disk.readAll(path).catch(() => Buffer.alloc(0)));
      if (holder && isAlive(holder, me)) {
        throw new Fault(
          'ERR_SPOOL_LOCKED',
          `the spool ${folder} is in use by process ${holder.pid} on ${holder.host}: stop that server, or give this one another folder with --spool`,
        );
      }
      if (!holder && (await isFresh(disk, path))) {
        await delay(RETRY_MS);
        continue;
      }
      // Moved aside first, so that of two processes that find it stale only one goes on with this very lock.
      const aside = `${path}.${process.pid}`;
      await disk.rename(path, aside).catch(() => {});
      await removeFile(disk, aside);
    }
    throw new Fault('ERR_SPOOL_LOCKED', `the lock of the spool ${folder} changes hands again and again`);
  }

  async release(): Promise<void> {
    await removeFile(this.#disk, this.#path);
  }
}

async function tryCreate(disk: Disk, path: string, me: Holder): Promise<boolean> {
  try {
    const file = await disk.create(path);
    await file.append([Buffer.from(JSON.stringify(me))]).finally(() => file.close());
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

async function isFresh(disk: Disk, path: string): Promise<boolean> {
  const facts = await disk.stat(path);
  return facts !== undefined && Math.abs(Date.now() - facts.modifiedMs) < FRESH_MS;
}

function parseHolder(bytes: Buffer): Holder | undefined {
  try {
    const value = JSON.parse(bytes.toString()) as Partial<Holder>;
    return typeof value.pid === 'number' && typeof value.host === 'string' ? (value as Holder) : undefined;
  } catch {
    return undefined;
  }
}

/** A holder on another machine, or before this machine's last start, is gone: a spool volume belongs to one machine at a time. */
function isAlive(holder: Holder, me: Holder): boolean {
  if (holder.host !== me.host || holder.boot !== me.boot) return false;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false;
  }
  return describeProcess(holder.pid).started === holder.started;
}

function describeProcess(pid: number): Holder {
  // Field 22 of /proc/<pid>/stat; the command in field 2 may hold spaces, so fields are counted from its closing bracket.
  const stat = readText(`/proc/${pid}/stat`);
  const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  return { host: hostname(), pid, started, boot: readText('/proc/sys/kernel/random/boot_id').trim() };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
