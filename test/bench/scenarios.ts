import { histogramQuantile, metricValue } from '../support/statistics.ts';
import { type Measured, measurePublishers, measureViewers } from './measure.ts';
import { type BenchStore, startMinio } from './minio.ts';
import type { Plan } from './plan.ts';
import { type BenchServer, startHeadwater, startNginx, startNodeMediaServer } from './servers.ts';

/** Where results go while the benchmark runs, and where profiles are kept. */
export interface Session {
  readonly plan: Plan;
  /** Folder for CPU profiles of Headwater; undefined: none are taken. */
  readonly profileDir: string | undefined;
  /** Told what has just been measured. */
  onMeasured(scenario: string, measured: Measured): void;
}

/** What one server gave, one figure for each round. */
export type Rounds = ReadonlyMap<string, readonly Measured[]>;

/** One run of the recorder: what it cost with the store, and what its own metrics say. */
export interface Recorded {
  readonly off: readonly Measured[];
  readonly on: readonly Measured[];
  /** p99 in seconds over all rounds' worst, and the number of segments. */
  readonly confirmSeconds: number;
  readonly segments: number;
  readonly eventLoopSeconds: number;
  /** What the store itself used, CPU seconds per 10⁹ bytes received. */
  readonly storeCpuSecondsPerGigabyte: number;
}

const LARGE_BATCH = { HEADWATER_RELAY_MAX_BATCH: '350ms' };

/** One publisher, many viewers: at defaults, with a large batch, and the peers. */
export function viewers(session: Session): Promise<Rounds> {
  const { profileDir, plan } = session;
  const starts = [
    () => startHeadwater({ profileDir }),
    startNginx,
    () => startHeadwater({ profileDir, env: LARGE_BATCH, name: 'headwater 350ms' }),
    startNodeMediaServer,
  ];
  return inTurns('viewers', session, starts, (server) => measureViewers(server, plan.viewers, plan));
}

/** Many publishers, nobody watches. */
export function publishers(session: Session): Promise<Rounds> {
  const { profileDir, plan } = session;
  const starts = [() => startHeadwater({ profileDir }), startNginx, ...moreIn(plan)];
  return inTurns('publishers', session, starts, (server) => measurePublishers(server, plan.publishers, plan));
}

/** One publisher, one viewer: what the relay adds in time. */
export function latency(session: Session): Promise<Rounds> {
  const starts = [() => startHeadwater(), startNginx, ...moreIn(session.plan)];
  return inTurns('latency', session, starts, (server) => measureViewers(server, 1, session.plan));
}

/** Peers that no aim names: not in the small form. */
function moreIn({ name }: Plan) {
  return name === 'full' ? [startNodeMediaServer] : [];
}

/** Publishers recorded to MinIO, and the same without recording. */
export async function recorded(session: Session): Promise<Recorded> {
  const { profileDir, plan } = session;
  await using store = await startMinio();
  const rounds = { off: [] as Measured[], on: [] as Measured[] };
  const seen: { confirm: number; segments: number; loop: number; storeCpu: number }[] = [];
  for (let round = 0; round < plan.rounds; round++) {
    const off = await measureWithout(plan);
    session.onMeasured('recorded', off);
    rounds.off.push(off);
    const { measured, ...rest } = await measureRecording(store, plan, profileDir);
    session.onMeasured('recorded', measured);
    rounds.on.push(measured);
    seen.push(rest);
  }
  return {
    ...rounds,
    confirmSeconds: Math.max(...seen.map(({ confirm }) => confirm)),
    segments: seen.reduce((sum, { segments }) => sum + segments, 0),
    eventLoopSeconds: Math.max(...seen.map(({ loop }) => loop)),
    storeCpuSecondsPerGigabyte: Math.max(...seen.map(({ storeCpu }) => storeCpu)),
  };
}

async function measureWithout(plan: Plan): Promise<Measured> {
  await using server = await startHeadwater({ name: 'headwater, not recording' });
  return await measurePublishers(server, plan.recorded, plan);
}

async function measureRecording(store: BenchStore, plan: Plan, profileDir: string | undefined) {
  const { flags, env } = store;
  await using server = await startHeadwater({ profileDir, name: 'headwater, recording', flags, env });
  const ends: { metrics: string; storeCpu: number }[] = [];
  const window = { ...plan, seconds: plan.recordedSeconds };
  const measured = await measurePublishers(server, plan.recorded, window, async () => {
    ends.push({ metrics: await server.metrics(), storeCpu: store.cpuSeconds() });
  });
  const [before, after] = [ends[0]!, ends[1]!];
  const { value, count } = histogramQuantile('headwater_upload_confirm_seconds', before.metrics, after.metrics, 0.99);
  return {
    measured,
    confirm: value,
    segments: count,
    loop: metricValue('headwater_event_loop_delay_seconds', after.metrics),
    storeCpu: (after.storeCpu - before.storeCpu) / measured.gigabytes,
  };
}

/** Round by round, each server once a round and alone: what disturbs the machine meets all of them alike. */
async function inTurns(
  scenario: string,
  session: Session,
  starts: readonly (() => Promise<BenchServer>)[],
  measure: (server: BenchServer) => Promise<Measured>,
): Promise<Rounds> {
  const rounds = new Map<string, Measured[]>();
  for (let round = 0; round < session.plan.rounds; round++) {
    for (const start of starts) {
      await using server = await start();
      const measured = await measure(server);
      session.onMeasured(scenario, measured);
      rounds.set(server.name, [...(rounds.get(server.name) ?? []), measured]);
    }
  }
  return rounds;
}
