import { median, quantile } from '../support/statistics.ts';
import type { Measured } from './measure.ts';
import { AIMS, type Plan } from './plan.ts';
import type { Recorded, Rounds } from './scenarios.ts';
import type { SrtRounds } from './srt.ts';

/** One figure held against what the project wants. */
export interface Verdict {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** The most it may be, slack included. */
  readonly aim: number;
  readonly isMet: boolean;
  readonly detail: string;
}

/** CPU of one publisher's media to many viewers, and their latency. */
export function judgeViewers(rounds: Rounds, plan: Plan): Verdict[] {
  const n = plan.viewers;
  return [
    ratio(`CPU per GB to ${n} viewers / nginx-rtmp's`, rounds, 'headwater', 'nginx-rtmp', AIMS.viewersToNginx, plan),
    ratio(
      `CPU per GB to ${n} viewers / node-media-server's`,
      rounds,
      'headwater',
      'node-media-server',
      AIMS.viewersToNodeMediaServer,
      plan,
    ),
    ratio(
      `CPU per GB to ${n} viewers at relay.maxBatch 350ms / nginx-rtmp's`,
      rounds,
      'headwater 350ms',
      'nginx-rtmp',
      AIMS.largeBatchToNginx,
      plan,
    ),
    latencyVerdict(`latency p99 at ${n} viewers`, rounds, AIMS.latencyManyMs, plan),
  ];
}

/** CPU of many publishers. */
export function judgePublishers(rounds: Rounds, plan: Plan): Verdict[] {
  const what = `CPU per GB from ${plan.publishers} publishers / nginx-rtmp's`;
  return [ratio(what, rounds, 'headwater', 'nginx-rtmp', AIMS.publishersToNginx, plan)];
}

/** What the relay adds in time, one viewer. */
export function judgeLatency(rounds: Rounds, plan: Plan): Verdict[] {
  return [latencyVerdict('latency p99 at 1 viewer', rounds, AIMS.latencyOneMs, plan)];
}

/** What recording and upload cost, and how soon a segment is safe. */
export function judgeRecorded(recorded: Recorded, plan: Plan): Verdict[] {
  const cost = ({ cpuSecondsPerGigabyte }: Measured) => cpuSecondsPerGigabyte;
  const [on, off] = [median(recorded.on.map(cost)), median(recorded.off.map(cost))];
  const n = plan.recorded;
  return [
    verdict(
      `CPU that recording and upload add, ${n} publishers`,
      on - off,
      's/GB',
      AIMS.recordCpuSecondsPerGigabyte,
      plan,
      {
        detail: `${figure(on)} with, ${figure(off)} without; the store itself ${figure(recorded.storeCpuSecondsPerGigabyte)}`,
      },
    ),
    verdict(
      `segment closed → confirmed p99, ${n} publishers`,
      recorded.confirmSeconds,
      's',
      AIMS.confirmSeconds,
      plan,
      {
        detail: `${recorded.segments} segments`,
      },
    ),
    verdict(`event loop delay p99, ${n} recorded`, recorded.eventLoopSeconds, 's', AIMS.eventLoopSeconds, plan),
  ];
}

/** What SRT publishers cost beside libsrt, and that nothing of theirs is lost. */
export function judgeSrt({ rounds, socketDrops, machineDrops, lostPackets }: SrtRounds, plan: Plan): Verdict[] {
  const n = plan.srtPublishers;
  const peer = 'srt-live-transmit';
  const none = { slack: 1 };
  const drops = `${machineDrops} at all sockets of the machine`;
  return [
    ratio(`CPU per GB from ${n} SRT publishers / ${peer}'s`, rounds, 'headwater', peer, AIMS.srtToLibsrt, plan),
    ratio(`the same, all recorded`, rounds, 'headwater, recording', peer, AIMS.srtRecordedToLibsrt, plan),
    ...encryptionVerdict(rounds, plan),
    verdict('datagrams dropped by the kernel', socketDrops, 'datagrams', 0, none, { detail: drops }),
    verdict('packets given up', lostPackets, 'packets', 0, none),
  ];
}

/** What encryption adds, as a share of what the peer uses without any. */
function encryptionVerdict(rounds: SrtRounds['rounds'], plan: Plan): Verdict[] {
  const [secret, clear, peer] = ['headwater, AES-128', 'headwater', 'srt-live-transmit'].map((name) =>
    costs(rounds, name),
  ) as [number[], number[], number[]];
  if (secret.length === 0) return [];
  const added = median(secret.map((cost, round) => (cost - clear[round]!) / peer[round]!));
  const detail = `${secret.map(figure).join(', ')} − ${clear.map(figure).join(', ')} s/GB`;
  return [verdict('what AES-128 adds to it', added, '×', AIMS.srtEncryptionToLibsrt, plan, { detail })];
}

/** A number for people: three digits that count. */
export function figure(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : String(value);
}

function ratio(what: string, rounds: Rounds, ours: string, peer: string, aim: number, plan: Plan): Verdict {
  const [own, other] = [costs(rounds, ours), costs(rounds, peer)];
  const detail = `${own.map(figure).join(', ')} / ${other.map(figure).join(', ')} s/GB`;
  return verdict(what, median(own.map((cost, round) => cost / other[round]!)), '×', aim, plan, { detail });
}

function latencyVerdict(what: string, rounds: Rounds, aim: number, plan: Plan): Verdict {
  const p99 = (name: string) =>
    quantile(
      (rounds.get(name) ?? []).flatMap((m) => m.latenciesMs),
      0.99,
    );
  const p50 = quantile(
    (rounds.get('headwater') ?? []).flatMap((m) => m.latenciesMs),
    0.5,
  );
  const peers = ['nginx-rtmp', 'node-media-server']
    .filter((name) => rounds.has(name))
    .map((name) => `${name} p99 ${figure(p99(name))}`);
  return verdict(
    what,
    p99('headwater'),
    'ms',
    aim,
    { slack: plan.latencySlack },
    { detail: [`p50 ${figure(p50)}`, ...peers].join('; ') },
  );
}

function verdict(
  what: string,
  value: number,
  unit: string,
  wanted: number,
  { slack }: Pick<Plan, 'slack'>,
  { detail = '' } = {},
): Verdict {
  const aim = wanted * slack;
  return { what, value, unit, aim, isMet: value <= aim, detail };
}

function costs(rounds: Rounds, name: string): number[] {
  return (rounds.get(name) ?? []).map(({ cpuSecondsPerGigabyte }) => cpuSecondsPerGigabyte);
}
