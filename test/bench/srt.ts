import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cached } from '../setup/cache.ts';
import { tool } from '../setup/tools.ts';
import { runFfmpeg } from '../support/ffmpeg.ts';
import { freeUdpPort } from '../support/ports.ts';
import { start } from '../support/process.ts';
import { metricValue } from '../support/statistics.ts';
import { LoadProcess } from './load-process.ts';
import { type Measured, measure } from './measure.ts';
import { cpuSeconds, residentBytes } from './process-cpu.ts';
import type { Session } from './scenarios.ts';
import { type BenchServer, startHeadwater } from './servers.ts';
import type { SrtLoadSpec } from './srt-load.ts';

/** What each way to receive the same streams cost, one figure for each round. */
export interface SrtRounds {
  readonly rounds: ReadonlyMap<SrtServerName, readonly Measured[]>;
  /** Datagrams that the kernel dropped at Headwater's socket, and at all sockets of the machine, in all windows. */
  readonly socketDrops: number;
  readonly machineDrops: number;
  /** Packets that Headwater gave up. */
  readonly lostPackets: number;
}

export type SrtServerName = 'headwater' | 'headwater, recording' | 'headwater, AES-128' | 'srt-live-transmit';

const PASSPHRASE = 'benchmark-passphrase';
/** Longer than any window with what comes before it. */
const CLIP_SECONDS = 60;

interface SrtTarget {
  readonly server: BenchServer;
  readonly publish: SrtLoadSpec['publish'];
  readonly passphrase: string | undefined;
}

/** The same transport streams by SRT to Headwater in its ways, and to srt-live-transmit, one process for each stream. */
export async function srt(session: Session): Promise<SrtRounds> {
  const { plan } = session;
  const file = await benchStream(plan.bitsPerSecond);
  const starts: readonly ((dir: string) => Promise<SrtTarget>)[] = [
    () => toHeadwater(session, 'headwater', ['--record-all=false']),
    (dir) => toHeadwater(session, 'headwater, recording', ['--store', `file://${dir}/store`]),
    ...(plan.name === 'full' ? [() => toEncrypted(session)] : []),
    () => toSrtLiveTransmit(plan.srtPublishers),
  ];
  const rounds = new Map<SrtServerName, Measured[]>();
  const seen = { socketDrops: 0, machineDrops: 0, lostPackets: 0 };
  for (let round = 0; round < plan.rounds; round++) {
    for (const begin of starts) {
      const dir = await mkdtemp(join(tmpdir(), 'bench-srt-'));
      try {
        const { name, measured, drops } = await measureOne(session, file, await begin(dir));
        rounds.set(name, [...(rounds.get(name) ?? []), measured]);
        seen.machineDrops += drops.machineDrops;
        seen.socketDrops += drops.socketDrops;
        seen.lostPackets += drops.lostPackets;
      } finally {
        await rm(dir, { recursive: true, force: true });
      }
    }
  }
  return { rounds, ...seen };
}

interface Drops {
  readonly socketDrops: number;
  readonly machineDrops: number;
  readonly lostPackets: number;
}

const NO_DROPS: Drops = { socketDrops: 0, machineDrops: 0, lostPackets: 0 };

/** One window with one server. Drops are Headwater's alone. */
async function measureOne(
  { plan, onMeasured }: Session,
  file: string,
  { server: opened, publish, passphrase }: SrtTarget,
): Promise<{ readonly name: SrtServerName; readonly measured: Measured; readonly drops: Drops }> {
  await using server = opened;
  const name = server.name as SrtServerName;
  const before = await machineDrops();
  const spec = { publish, passphrase, file, bitsPerSecond: plan.bitsPerSecond };
  await using load = await LoadProcess.start(spec, 'srt-load.ts');
  const window = { ...plan, seconds: plan.recordedSeconds };
  const measured = await measure(server, [load], window, publish.length, (sample) => sample.sentBytes);
  onMeasured('srt', measured);
  if (name === 'srt-live-transmit') return { name, measured, drops: NO_DROPS };
  const drops = {
    machineDrops: (await machineDrops()) - before,
    socketDrops: await socketDrops(publish[0]!.port),
    lostPackets: lostPackets(await server.metrics()),
  };
  return { name, measured, drops };
}

async function toHeadwater(session: Session, name: SrtServerName, flags: readonly string[]): Promise<SrtTarget> {
  const server = await startHeadwater({ profileDir: session.profileDir, name, flags });
  const publish = Array.from({ length: session.plan.srtPublishers }, (_, i) => ({
    port: server.srtPort,
    streamId: `publish:bench/${i}`,
  }));
  return { server, publish, passphrase: undefined };
}

async function toEncrypted(session: Session): Promise<SrtTarget> {
  const flags = ['--record-all=false', '--srt-passphrase', PASSPHRASE];
  return { ...(await toHeadwater(session, 'headwater, AES-128', flags)), passphrase: PASSPHRASE };
}

/** libsrt at its simplest: what comes goes to nowhere. */
async function toSrtLiveTransmit(streams: number): Promise<SrtTarget> {
  const ports: number[] = [];
  for (let i = 0; i < streams; i++) ports.push(await freeUdpPort());
  const program = tool('srt-live-transmit');
  const children = ports.map((port) => {
    const command = `exec ${program} -loglevel fatal 'srt://127.0.0.1:${port}?mode=listener' file://con >/dev/null`;
    return start('sh', ['-c', command]);
  });
  const sum = (of: (pid: number) => number): number => children.reduce((total, { pid }) => total + of(pid), 0);
  const server: BenchServer = {
    name: 'srt-live-transmit',
    port: ports[0]!,
    srtPort: ports[0]!,
    dir: tmpdir(),
    url: () => '',
    cpuSeconds: () => sum(cpuSeconds),
    residentBytes: () => sum(residentBytes),
    metrics: async () => '',
    [Symbol.asyncDispose]: async () => {
      await Promise.all(children.map((child) => child[Symbol.asyncDispose]()));
    },
  };
  return { server, publish: ports.map((port) => ({ port, streamId: '' })), passphrase: undefined };
}

/** A transport stream of about this rate, made the first time: noise, so that it is as large as it has to be. */
async function benchStream(bitsPerSecond: number): Promise<string> {
  const video = Math.round(bitsPerSecond * 0.9);
  const picture = `testsrc2=s=640x360:r=25:d=${CLIP_SECONDS},noise=alls=30:allf=t`;
  const sound = `aevalsrc=0.2*sin(2*PI*440*t)|0.2*sin(2*PI*550*t):s=48000:d=${CLIP_SECONDS}`;
  const rate = ['-b:v', `${video}`, '-minrate', `${video}`, '-maxrate', `${video}`, '-bufsize', `${video}`];
  const args = [
    ...['-f', 'lavfi', '-i', picture, '-f', 'lavfi', '-i', sound],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-g', '50', '-bf', '2', ...rate],
    ...['-c:a', 'aac', '-b:a', '128k', '-f', 'mpegts'],
  ];
  const dir = await cached({ name: 'bench-srt', recipe: JSON.stringify(args) }, async (folder) => {
    await runFfmpeg([...args, join(folder, 'bench.ts')]);
  });
  return join(dir, 'bench.ts');
}

/** Datagrams that the kernel dropped since the socket was opened: the last column of /proc/net/udp. */
async function socketDrops(port: number): Promise<number> {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const tables = await Promise.all(['/proc/net/udp', '/proc/net/udp6'].map((file) => readFile(file, 'utf8')));
  const lines = tables.flatMap((table) => table.split('\n')).map((line) => line.trim().split(/\s+/));
  const own = lines.filter((fields) => fields[1]?.endsWith(wanted));
  if (own.length === 0) throw new Error(`no UDP socket on port ${port}`);
  return own.reduce((sum, fields) => sum + Number(fields.at(-1)), 0);
}

/** `RcvbufErrors` of /proc/net/snmp. */
async function machineDrops(): Promise<number> {
  const [names, values] = (await readFile('/proc/net/snmp', 'utf8'))
    .split('\n')
    .filter((line) => line.startsWith('Udp:'))
    .map((line) => line.split(' '));
  return Number(values![names!.indexOf('RcvbufErrors')]);
}

function lostPackets(metrics: string): number {
  const dropped = metricValue('headwater_srt_packets_total{kind="receive-dropped"}', metrics);
  return Number.isNaN(dropped) ? 0 : dropped; // a kind that never was is not listed
}
