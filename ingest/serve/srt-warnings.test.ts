import { describe, expect, it } from 'vitest';
import type { ConnectionStatistics } from '../protocol/srt/connection-statistics.ts';
import type { Log } from '../runtime/log.ts';
import { SrtWarnings } from './srt-warnings.ts';

const SECOND_US = 1_000_000;

function watched(role: 'publish' | 'play') {
  const said: string[] = [];
  const log: Log = {
    debug() {},
    info() {},
    warn: (fields, message) => void said.push(`${message.slice(0, 20)} ${JSON.stringify(fields)}`),
    error() {},
    child: () => log,
  };
  const warnings = new SrtWarnings(log, role);
  const base = {
    msRTT: 10,
    msRcvTsbPdDelay: 120,
    msSndTsbPdDelay: 120,
    pktRecv: 500,
    pktSent: 500,
    pktRcvDrop: 0,
    pktSndDrop: 0,
  };
  let before = base as unknown as ConnectionStatistics;
  const look = (changes: Partial<ConnectionStatistics>, now = SECOND_US): void => {
    const statistics = { ...before, ...changes };
    warnings.look(statistics, before, now);
    before = statistics;
  };
  return { said, look };
}

describe('SrtWarnings', () => {
  it('says nothing where latency is four round trips and nothing is dropped', () => {
    const { said, look } = watched('publish');
    look({ msRTT: 30 });
    expect(said).toEqual([]);
  });

  it('says once a minute that the latency is too short, when the round trip is known', () => {
    const { said, look } = watched('publish');
    look({ msRTT: 100, pktRecv: 3 });
    expect(said).toEqual([]);
    look({ msRTT: 31, pktRecv: 300 });
    look({ msRTT: 40 }, 30 * SECOND_US);
    expect(said).toEqual(['SRT latency is short {"latency":120,"rtt":31,"advised":124}']);
    look({ msRTT: 50 }, 62 * SECOND_US);
    expect(said).toHaveLength(2);
  });

  it('says how many packets were dropped: received ones of a publisher, sent ones of a viewer', () => {
    const publisher = watched('publish');
    publisher.look({ pktRcvDrop: 3, pktSndDrop: 9 });
    publisher.look({ pktRcvDrop: 5 }, 2 * SECOND_US);
    publisher.look({ pktRcvDrop: 6 }, 70 * SECOND_US);
    expect(publisher.said.map((line) => /"packets":\d+/.exec(line)?.[0])).toEqual(['"packets":3', '"packets":3']);
    const viewer = watched('play');
    viewer.look({ pktSndDrop: 9 });
    expect(viewer.said).toEqual(['SRT packets dropped: {"packets":9,"latency":120,"rtt":10}']);
  });
});
