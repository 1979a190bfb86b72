import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { setUp } from '../setup/setup.ts';
import { quantile } from '../support/statistics.ts';
import type { Measured } from './measure.ts';
import { FULL, SMALL } from './plan.ts';
import { latency, publishers, recorded, type Session, viewers } from './scenarios.ts';
import { srt } from './srt.ts';
import {
  figure,
  judgeLatency,
  judgePublishers,
  judgeRecorded,
  judgeSrt,
  judgeViewers,
  type Verdict,
} from './verdicts.ts';

const HELP = `node test/bench/run.ts [--small] [--only viewers,publishers,latency,recorded,srt] [--json FILE] [--profile [DIR]]
  --small         a short run with wide limits, as npm test has it
  --only NAMES    some of the scenarios
  --rounds N      how often each server is measured
  --json FILE     writes all figures there
  --profile DIR   CPU profiles of Headwater, one for each start, are kept there
`;
/** Above this share of one core the load generator may be what limits, and figures are doubtful. */
const SATURATED = 0.9;
/** Share of what is sent within the time that is measured: the rest is underway at its end. */
const LEAST_DELIVERED = 0.97;

const SCENARIOS = {
  viewers: async (session: Session) => judgeViewers(await viewers(session), session.plan),
  publishers: async (session: Session) => judgePublishers(await publishers(session), session.plan),
  latency: async (session: Session) => judgeLatency(await latency(session), session.plan),
  recorded: async (session: Session) => judgeRecorded(await recorded(session), session.plan),
  srt: async (session: Session) => judgeSrt(await srt(session), session.plan),
} as const;
type Name = keyof typeof SCENARIOS;

const { values } = parseArgs({
  options: {
    small: { type: 'boolean', default: false },
    only: { type: 'string', default: Object.keys(SCENARIOS).join(',') },
    rounds: { type: 'string' },
    json: { type: 'string' },
    profile: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) process.stdout.write(HELP);
else process.exitCode = await run();

async function run(): Promise<number> {
  await Promise.all(Object.values(setUp(new Set(['clients', 'minio']))));
  const base = values.small ? SMALL : FULL;
  const plan = { ...base, rounds: Number(values.rounds ?? base.rounds) };
  const profileDir = values.profile === undefined ? undefined : resolve(values.profile);
  if (profileDir) await mkdir(profileDir, { recursive: true });
  const machine = {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
  };
  say(
    `${machine.cores} × ${machine.cpu}, ${figure(machine.memoryBytes / 1e9)} GB, Linux ${machine.kernel}, Node ${machine.node}`,
  );
  const measurements: { scenario: string; measured: Measured }[] = [];
  const session: Session = {
    plan,
    profileDir,
    onMeasured: (scenario, measured) => {
      measurements.push({ scenario, measured });
      say(line(scenario, measured));
    },
  };
  const verdicts: Verdict[] = [];
  const startedAt = performance.now();
  for (const name of values.only.split(',')) {
    const scenario = SCENARIOS[name as Name];
    if (!scenario) throw new Error(`no scenario ${name}: ${Object.keys(SCENARIOS).join(', ')}`);
    verdicts.push(...(await scenario(session)));
  }
  say('');
  for (const { what, value, unit, aim, isMet, detail } of verdicts)
    say(
      `${isMet ? 'PASS' : 'MISS'}  ${what}: ${figure(value)} ${unit} (aim ≤ ${figure(aim)})${detail ? `  [${detail}]` : ''}`,
    );
  say(`${Math.round((performance.now() - startedAt) / 1000)} s`);
  if (values.json) await writeFile(values.json, JSON.stringify({ machine, plan, verdicts, measurements }, null, 1));
  const isDoubtful = measurements.some(({ measured }) => measured.lostConnections > 0 || isShort(measured));
  return verdicts.every(({ isMet }) => isMet) && !isDoubtful ? 0 : 1;
}

/** Ours has not delivered everything: what it cost then says nothing. */
function isShort({ server, delivered, missedFrames }: Measured): boolean {
  return server.startsWith('headwater') && (delivered < LEAST_DELIVERED || missedFrames > 0);
}

function line(scenario: string, m: Measured): string {
  const latencies =
    m.latenciesMs.length === 0
      ? ''
      : `, latency p50 ${figure(quantile(m.latenciesMs, 0.5))} p99 ${figure(quantile(m.latenciesMs, 0.99))} ms`;
  const doubts = [
    ...(m.loadShare > SATURATED ? ['the load generator was saturated'] : []),
    ...(m.delivered < LEAST_DELIVERED ? [`only ${figure(m.delivered * 100)} % delivered`] : []),
    ...(m.missedFrames > 0 ? [`${m.missedFrames} frames missed`] : []),
    ...(m.lostConnections > 0 ? [`${m.lostConnections} connections lost`] : []),
  ];
  return `${scenario.padEnd(10)} ${m.server.padEnd(24)} ${figure(m.cpuSecondsPerGigabyte).padStart(5)} CPU s/GB, ${figure(m.gigabytes)} GB, ${figure(m.serverShare * 100)} % of a core, load ${figure(m.loadShare * 100)} %, ${figure(m.residentBytes / 1e6)} MB${latencies}${doubts.map((doubt) => `, ${doubt.toUpperCase()}`).join('')}`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
