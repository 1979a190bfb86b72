import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectDecodes } from '../support/ffmpeg.ts';
import { inspector } from '../support/inspector.ts';
import { filesBelow } from '../support/recording.ts';
import { RtmpPlayer, RtmpPublisher } from '../support/rtmp-client.ts';
import { type Server, startServer } from '../support/server.ts';
import { loopClip, type MediaClip, makeClip, paced } from '../support/synthetic-media.ts';
import { TempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

const CYCLES = 1000;
/** How many run at once: a server has many things going on. */
const ABREAST = 8;
const MIB = 2 ** 20;

/** Memory and descriptors after garbage collection. */
interface Footprint {
  readonly rss: number;
  readonly fds: number;
}

/** Runs `cycle` a thousand times, in five equal bouts after each of which the server comes to rest; measures after the first and the last one. */
async function churn(
  server: Server,
  measure: () => Promise<Footprint>,
  cycle: (n: number, worker: number) => Promise<void>,
) {
  let next = 0;
  const upTo = async (end: number): Promise<Footprint> => {
    const work = async (worker: number) => {
      while (next < end) await cycle(next++, worker);
    };
    await Promise.all(Array.from({ length: ABREAST }, (_, worker) => work(worker)));
    await waitFor('all connections to be gone', async () => (await server.metric('headwater_connections')) <= 1);
    return measure();
  };
  const early = await upTo(CYCLES / 5);
  for (const fifth of [2, 3, 4]) await upTo((CYCLES * fifth) / 5);
  return { early, late: await upTo(CYCLES) };
}

/** Design: RSS and descriptors at the end ≤ those at a fifth of the way + 10 % / + 5. */
function expectFlat(what: string, { early, late }: { early: Footprint; late: Footprint }): void {
  const mib = (bytes: number) => (bytes / MIB).toFixed(1);
  console.log(`${what}: RSS ${mib(early.rss)} → ${mib(late.rss)} MiB, descriptors ${early.fds} → ${late.fds}`);
  expect(late.rss).toBeLessThanOrEqual(early.rss * 1.1);
  expect(late.fds).toBeLessThanOrEqual(early.fds + 5);
}

async function measured(args: readonly string[]): Promise<{ server: Server; measure: () => Promise<Footprint> }> {
  const gc = await inspector();
  // Debug logs of thousands of connections would be the test's own load.
  const server = await startServer({ nodeArgs: gc.nodeArgs, args: [...args, '--log-level', 'warn'] });
  const measure = async () => {
    await gc.collectGarbage();
    return { rss: server.rss(), fds: server.fds() };
  };
  return { server, measure };
}

describe('a thousand times', () => {
  it('publish and stop, recorded: flat, and every publication is stored', async () => {
    const { server, measure } = await measured([]);
    await using _ = server;
    const clip = await makeClip({ seconds: 8 });
    const second = [...clip.headers, ...clip.frames.filter((frame) => frame.timestamp < 1000)];
    const cycles: number[] = [];
    const result = await churn(server, measure, async (n, worker) => {
      const path = `live/churn-${worker}`;
      await using publisher = await RtmpPublisher.connect(server.rtmp(path));
      await publisher.publish();
      for (const { type, timestamp, body } of second) await publisher.send(type, timestamp, body);
      if (n % 2 === 0) await publisher.stop();
      else publisher.destroy();
      // Or the test would measure how much a backlog takes that grows as fast as a loop can publish.
      const spooled = join(server.spool, encodeURIComponent(path));
      cycles[worker] = (cycles[worker] ?? 0) + 1;
      const isStored = () =>
        existsSync(join(server.store, path)) &&
        readdirSync(join(server.store, path)).length === cycles[worker] &&
        filesBelow(spooled).length === 0;
      await waitFor('its recording to be stored', isStored, { timeoutMs: 60_000, everyMs: 10 });
    });
    expectFlat('publish and stop', result);
    const segments = filesBelow(server.store).filter((file) => file.endsWith('.mp4'));
    expect(segments).toHaveLength(CYCLES);
    for (const file of segments.slice(-3)) await expectDecodes(join(server.store, file));
    expect(server.log.records.filter((each) => each.level === 'ERROR')).toEqual([]);
  });

  it('join and leave: flat, and the publisher notices nothing', async () => {
    const { server, measure } = await measured(['--record-all=false']);
    await using _ = server;
    const clip = await makeClip({ seconds: 8 });
    const path = 'live/joined';
    await using live = await publishForever(server, path, clip);
    const result = await churn(server, measure, async (n) => {
      const enough = Promise.withResolvers<void>();
      let frames = 0;
      const onMessage = () => void (++frames === 5 && enough.resolve());
      await using player = await RtmpPlayer.connect(server.rtmp(path), { onMessage });
      await enough.promise;
      if (n % 2 === 0) await player.stop();
      else player.destroy();
    });
    expectFlat('join and leave', result);
    expect(await server.metric('headwater_viewers')).toBe(0);
    expect(live.error).toBeUndefined();
    expect(await server.metric('headwater_gaps_total')).toBe(0);
  });
});

/** A publisher in real time, until disposed. */
async function publishForever(server: Server, path: string, clip: MediaClip) {
  const publisher = await RtmpPublisher.connect(server.rtmp(path));
  await publisher.publish();
  const stop = new AbortController();
  const state: { error: unknown } & AsyncDisposable = {
    error: undefined,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await sending;
      await publisher[Symbol.asyncDispose]();
    },
  };
  const sending = (async () => {
    for await (const { type, timestamp, body } of paced(loopClip(clip), { signal: stop.signal })) {
      await publisher.send(type, timestamp, body);
    }
  })().catch((error) => {
    state.error = error;
  });
  return state;
}

describe('reconnecting within one second never overwrites', () => {
  const ROUNDS = 6;
  it.each([
    { name: 'the default layout', flags: [] },
    { name: '--layout flat', flags: ['--layout', 'flat'] },
    { name: '--layout flat, FLV, one file', flags: ['--layout', 'flat', '--format', 'flv', '--segment-duration', '0'] },
    { name: '%s_%T_seg%04d', flags: ['--segment-pattern', '%s_%T_seg%04d'] },
    { name: '%Y/%m/%D/%s_seg%03d', flags: ['--segment-pattern', '%Y/%m/%D/%s_seg%03d'] },
    { name: '%p/%T', flags: ['--segment-pattern', '%p/%T'] },
    { name: '%s (the same name for all)', flags: ['--segment-pattern', '%s'] },
    { name: '%r/%d', flags: ['--segment-pattern', '%r/%d'] },
  ])('$name', async ({ flags }) => {
    using dir = new TempDir('reconnect');
    await using server = await startServer({ dir: dir.path, args: flags });
    const clip = await makeClip({ seconds: 8 });
    const sums = new Map<string, string>();
    for (let round = 1; round <= ROUNDS; round++) {
      // Each round has pictures of its own.
      const media = clip.frames.filter(
        (frame) => frame.timestamp >= round * 1000 && frame.timestamp < round * 1000 + 900,
      );
      await using publisher = await RtmpPublisher.connect(server.rtmp('live/again'));
      await publisher.publish();
      for (const { type, timestamp, body } of [...clip.headers, ...media]) await publisher.send(type, timestamp, body);
      await publisher.stop();
      // The first of two is not waited for, so that some have the same second in their names.
      if (round % 2 === 1) continue;
      const files = await waitFor(`file ${round}`, () => {
        const found = filesBelow(server.store).filter((file) => /\.(mp4|flv)$/.test(file));
        return found.length === round ? found : undefined;
      });
      for (const file of files) {
        const sum = createHash('sha256')
          .update(readFileSync(join(server.store, file)))
          .digest('hex');
        expect(sums.get(file) ?? sum).toBe(sum);
        sums.set(file, sum);
      }
    }
    expect(new Set(sums.values()).size).toBe(ROUNDS);
    for (const file of sums.keys()) await expectDecodes(join(server.store, file));
    expect(server.log.all('publication ended').length).toBe(ROUNDS);
    const seconds = server.log
      .all('recording started')
      .map(({ time }) => String(time).slice(0, '2026-01-01T00:00:00'.length));
    expect(seconds).toHaveLength(ROUNDS);
    expect(new Set(seconds).size, 'two within one second').toBeLessThan(ROUNDS);
  });
});
