import { readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100; // USER_HZ: 100 on every Linux

/** CPU seconds (user + system) that process `pid` and its children have used, from /proc. 0 for a process that has gone. */
export function cpuSeconds(pid: number): number {
  return [pid, ...descendants(pid)].reduce((sum, id) => sum + ownCpuSeconds(id), 0);
}

/** Resident bytes of `pid` and its children. */
export function residentBytes(pid: number): number {
  return [pid, ...descendants(pid)].reduce((sum, id) => sum + ownResidentBytes(id), 0);
}

function descendants(pid: number): number[] {
  const children = read(`/proc/${pid}/task/${pid}/children`)
    .split(' ')
    .filter((text) => text !== '')
    .map(Number);
  return children.flatMap((child) => [child, ...descendants(child)]);
}

function ownCpuSeconds(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  // Field 2 is the name in brackets and may hold spaces; utime and stime are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_SECOND;
}

function ownResidentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1];
  return Number(kib ?? 0) * 1024;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
