import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ALL_FORMATS, EncodedPacketSink, FilePathSource, Input } from 'mediabunny';
import { expect, it } from 'vitest';
import { parsePage } from '../../ingest/spool/manifest.ts';
import type { RecordingGap } from '../../ingest/spool/segment-entry.ts';
import { expectDecodes } from '../support/ffmpeg.ts';
import { numberedMedia, numberIn } from '../support/numbered-media.ts';
import { filesBelow, recordingsOf } from '../support/recording.ts';
import { RtmpPlayer, RtmpPublisher } from '../support/rtmp-client.ts';
import { freePorts, type Server, startServer } from '../support/server.ts';
import { type MediaClip, makeClip, paced } from '../support/synthetic-media.ts';
import { TempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

const KILLS = 20;
const PATHS = ['live/one', 'live/two', 'live/three', 'live/four'];
const FPS = 25;
const ARGS = ['--segment-duration', '2s'];
/** Media that may be lost: what was not yet acknowledged, and what a publisher sent after the last fdatasync. */
const MAX_LOSS_SECONDS = 1;

/** What was seen of one publication before the kill. */
interface Witnessed {
  readonly path: string;
  /** Acknowledged: recording.durable, polled. */
  durable: { readonly pub: string; readonly seq: number; readonly dts: number } | undefined;
  /** Source time of the first message, ms. */
  readonly fromMs: number;
  /** Number of the newest frame that a viewer had received whole. */
  lastSeen: number;
  /** Source DTS in ms by frame number. */
  readonly dtsOf: number[];
}

/** One publisher and one viewer until the server dies under them. */
async function publishAndWatch(server: Server, path: string, clip: MediaClip, signal: AbortSignal): Promise<Witnessed> {
  const fromMs = Math.floor(Math.random() * 1_000_000);
  const seen: Witnessed = { path, durable: undefined, fromMs, lastSeen: -1, dtsOf: [] };
  const publisher = await RtmpPublisher.connect(server.rtmp(path));
  await publisher.publish();
  const player = await RtmpPlayer.connect(server.rtmp(path), {
    onMessage: ({ type, body }) => {
      if (type === 9) seen.lastSeen = Math.max(seen.lastSeen, numberIn(body) ?? -1);
    },
  });
  void (async () => {
    for await (const message of paced(numberedMedia(clip, { fromMs }), { signal })) {
      if (message.type === 9 && message.body[1] === 1) seen.dtsOf.push(message.timestamp);
      await publisher.send(message.type, message.timestamp, message.body).catch(() => {});
    }
    publisher.destroy();
    player.destroy();
  })();
  return seen;
}

/** Asks the API what has been acknowledged, until the server is gone. */
async function pollDurable(server: Server, all: readonly Witnessed[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const each of all) {
      const view = await server.stream(each.path).catch(() => undefined);
      const durable = view?.recording?.durable;
      if (!durable || signal.aborted) continue;
      if (each.durable)
        expect(durable.dts, 'recording.durable never goes back').toBeGreaterThanOrEqual(each.durable.dts);
      each.durable = durable;
    }
    await delay(20);
  }
}

/** Hash of each stored object that never changes, by its path in the store: segments, and closed pages of manifests. */
function finalHashes(store: string): Map<string, string> {
  const hashes = new Map<string, string>();
  for (const file of filesBelow(store)) {
    const isPage = /(^|\/)pub\/[^/]+\.json$/.test(file);
    if (!isPage && !file.endsWith('.mp4')) continue;
    const bytes = readFileSync(join(store, file));
    if (isPage && parsePage(bytes).open) continue;
    hashes.set(file, createHash('sha256').update(bytes).digest('hex'));
  }
  return hashes;
}

/** Numbers of the frames in a segment, in file order, and the times of its sound in seconds on the recording's timeline. */
async function readSegment(file: string): Promise<{ frames: number[]; audio: number[] }> {
  using input = new Input({ source: new FilePathSource(file), formats: ALL_FORMATS });
  const result: { frames: number[]; audio: number[] } = { frames: [], audio: [] };
  for (const track of await input.getTracks()) {
    for await (const packet of new EncodedPacketSink(track).packets()) {
      if (track.type === 'video') result.frames.push(numberIn(packet.data) ?? Number.NaN);
      else result.audio.push(packet.timestamp);
    }
  }
  return result;
}

/** Proves of one publication that all that was acknowledged is there, and returns the seconds a viewer saw which are not. */
async function verify(store: string, seen: Witnessed): Promise<number> {
  const durable = seen.durable!;
  const recording = recordingsOf(store, seen.path).find((each) => each.segments.some(({ pub }) => pub === durable.pub));
  const segments = recording?.segments.filter(({ pub }) => pub === durable.pub) ?? [];
  expect(
    segments.map(({ seq }) => seq),
    `segments of ${seen.path}`,
  ).toEqual(segments.map((_, i) => i + 1));
  expect(segments.length).toBeGreaterThanOrEqual(durable.seq);
  const frames: number[] = [];
  const audio: number[] = [];
  for (const { file } of segments) {
    await expectDecodes(file);
    const read = await readSegment(file);
    frames.push(...read.frames);
    audio.push(...read.audio);
  }
  // No gap, no double, nothing foreign …
  expect(
    [...frames].sort((a, b) => a - b),
    `frames of ${seen.path}`,
  ).toEqual(frames.map((_, i) => i));
  // … and all that was acknowledged.
  const acknowledged = seen.dtsOf.filter((ms) => ms * 90 < durable.dts).length;
  expect(frames.length, `${seen.path}: frames recovered of ${acknowledged} acknowledged`).toBeGreaterThanOrEqual(
    acknowledged,
  );
  const audioEnd = audio.at(-1)! + 1024 / 48_000;
  expect(audioEnd, `${seen.path}: sound reaches what was acknowledged`).toBeGreaterThanOrEqual(
    durable.dts / 90_000 - seen.fromMs / 1000 - 0.05,
  );
  for (let i = 1; i < audio.length; i++) expect(audio[i]! - audio[i - 1]!).toBeLessThan(0.03);
  // What is missing begins where the last frame ends, and nobody knows where it ends.
  const crash = gapsOf(recording!.dir, durable.pub).filter(({ cause, to }) => cause === 'crash' && to === undefined);
  expect(crash, `${seen.path}: one gap without an end`).toHaveLength(1);
  const offBy = crash[0]!.from / 90_000 - frames.length / FPS;
  expect(Math.abs(offBy), `${seen.path}: seconds from the last frame's end to the gap`).toBeLessThanOrEqual(1 / FPS);
  return (seen.lastSeen - (frames.length - 1)) / FPS;
}

/** The gaps that a publication's manifests declare. */
function gapsOf(recording: string, pub: string): RecordingGap[] {
  const pages = filesBelow(join(recording, 'pub')).filter((file) => file.includes(pub));
  return pages.flatMap((file) => parsePage(readFileSync(join(recording, 'pub', file))).gaps);
}

it(`keeps what it acknowledged through ${KILLS} kills at random times, and loses at most ${MAX_LOSS_SECONDS} s`, {
  timeout: 400_000,
}, async () => {
  using dir = new TempDir('kill');
  const ports = await freePorts();
  const clip = await makeClip({ fps: FPS, videoKbps: 300 });
  const all: Witnessed[] = [];
  let stored = new Map<string, string>();
  for (let kill = 0; kill < KILLS; kill++) {
    await using server = await startServer({ dir: dir.path, ports, args: ARGS });
    const stop = new AbortController();
    const seen = await Promise.all(PATHS.map((path) => publishAndWatch(server, path, clip, stop.signal)));
    const polling = pollDurable(server, seen, stop.signal);
    await waitFor('every stream to have something acknowledged', () =>
      seen.every(({ durable }) => durable !== undefined),
    );
    await delay(Math.random() * 3_000);
    await server.kill();
    stop.abort();
    await polling;
    all.push(...seen);
    const now = finalHashes(server.store);
    for (const [file, hash] of stored) expect(now.get(file), `${file} was changed or lost`).toBe(hash);
    stored = now;
  }
  await using server = await startServer({ dir: dir.path, ports, args: ARGS });
  await waitFor(
    'everything recovered to be stored',
    async () =>
      (await server.metric('headwater_upload_backlog_segments')) === 0 &&
      filesBelow(server.spool).every((file) => !/\.(mp4|part|journal)$/.test(file)),
    { timeoutMs: 60_000 },
  );
  const losses: number[] = [];
  for (const seen of all) losses.push(await verify(server.store, seen));
  losses.sort((a, b) => a - b);
  console.log(
    `loss over ${losses.length} killed recordings: median ${losses[losses.length >> 1]!.toFixed(2)} s, worst ${losses.at(-1)!.toFixed(2)} s`,
  );
  const now = finalHashes(server.store);
  for (const [file, hash] of stored) expect(now.get(file), `${file} was changed or lost`).toBe(hash);
  expect(losses.at(-1)).toBeLessThanOrEqual(MAX_LOSS_SECONDS);
});
