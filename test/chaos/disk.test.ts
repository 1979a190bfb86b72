import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { expectDecodes } from '../support/ffmpeg.ts';
import { numberedMedia, numberIn } from '../support/numbered-media.ts';
import { output } from '../support/process.ts';
import { recordingsOf } from '../support/recording.ts';
import { RtmpPlayer, RtmpPublisher } from '../support/rtmp-client.ts';
import { type Server, startServer } from '../support/server.ts';
import { makeClip, paced } from '../support/synthetic-media.ts';
import { TempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

const PATH = 'live/test';
const NOBODY = 65_534;

/** A publisher and a viewer of which every frame is counted. Disposal ends both. */
class Live implements AsyncDisposable {
  readonly numbers: number[] = [];
  readonly #stop = new AbortController();
  #done: Promise<unknown> = Promise.resolve();

  static async start(server: Server, videoKbps: number): Promise<Live> {
    const live = new Live();
    const clip = await makeClip({ videoKbps, gop: 25 });
    const publisher = await RtmpPublisher.connect(server.rtmp(PATH));
    await publisher.publish();
    const player = await RtmpPlayer.connect(server.rtmp(PATH), {
      onMessage: ({ type, body }) => {
        const number = type === 9 ? numberIn(body) : undefined;
        if (number !== undefined) live.numbers.push(number);
      },
    });
    live.#done = (async () => {
      for await (const { type, timestamp, body } of paced(numberedMedia(clip), { signal: live.#stop.signal }))
        await publisher.send(type, timestamp, body);
      await publisher.stop();
      player.destroy();
    })();
    return live;
  }

  /** The viewer has got every frame so far, and still gets more. */
  async expectUnharmed(): Promise<void> {
    const count = this.numbers.length;
    await waitFor('live media to go on', () => this.numbers.length > count + 25);
    const first = this.numbers[0]!;
    expect(this.numbers).toEqual(this.numbers.map((_, i) => first + i));
  }

  /** Ends publisher and viewer; may be called twice. */
  async end(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }
}

/** A file system of its own, unmounted at disposal. */
async function mounted(
  options: string,
): Promise<AsyncDisposable & { readonly path: string; remount(options: string): Promise<unknown> }> {
  const dir = new TempDir('disk');
  await output('mount', ['-t', 'tmpfs', '-o', options, 'headwater-test', dir.path]);
  return {
    path: dir.path,
    remount: (change) => output('mount', ['-o', `remount,${change}`, dir.path]),
    [Symbol.asyncDispose]: async () => {
      await output('umount', ['-l', dir.path]);
      dir[Symbol.dispose]();
    },
  };
}

interface RecordingState {
  readonly state: string;
  readonly durable: { readonly dts: number } | null;
  readonly error: string | null;
  readonly gaps: readonly { readonly cause: string }[];
}

async function recordingOf(server: Server): Promise<RecordingState | undefined> {
  return ((await server.stream(PATH))?.recording ?? undefined) as RecordingState | undefined;
}

async function durableDts(server: Server): Promise<number> {
  return (await recordingOf(server))?.durable?.dts ?? 0;
}

/** Recording stands still with `code`, live goes on; `mend` takes the cause away, and recording goes on by itself, with the gap declared. */
async function expectRecovery(
  server: Server,
  live: Live,
  code: string,
  cause: string,
  mend: () => unknown,
): Promise<void> {
  await waitFor(`recording to report ${code}`, async () => (await recordingOf(server))?.error?.includes(code), {
    timeoutMs: 40_000,
  });
  await live.expectUnharmed();
  await mend();
  const before = await durableDts(server);
  await waitFor('recording to go on', async () => (await durableDts(server)) > before + 2 * 90_000, {
    timeoutMs: 40_000,
  });
  expect((await recordingOf(server))?.gaps.map((gap) => gap.cause)).toContain(cause);
  await live.expectUnharmed();
}

async function expectPlayable(store: string): Promise<void> {
  const recordings = recordingsOf(store, PATH);
  expect(recordings.length).toBeGreaterThan(0);
  for (const { segments } of recordings) for (const { file } of segments) await expectDecodes(file);
}

describe('a disk that fails', () => {
  it('full: live goes on, the gap is declared, recording resumes when there is room', async () => {
    await using disk = await mounted('size=6m');
    mkdirSync(`${disk.path}/store`);
    await using server = await startServer({
      ownStore: true,
      args: ['--store', `file://${disk.path}/store`, '--segment-duration', '1s'],
    });
    const ballast = `${disk.path}/ballast`;
    await using live = await Live.start(server, 1_500);
    await waitFor('something acknowledged', async () => (await durableDts(server)) > 0);
    writeFileSync(ballast, Buffer.alloc(64 * 1024));
    await expectRecovery(server, live, 'ENOSPC', 'disk-full', () => disk.remount('size=64m'));
    rmSync(ballast);
    await live.end();
    await server.stop();
    await expectPlayable(`${disk.path}/store`);
  });

  it('read-only: live goes on, the gap is declared, recording resumes when it is writable', async () => {
    await using disk = await mounted('size=64m');
    mkdirSync(`${disk.path}/store`);
    await using server = await startServer({
      ownStore: true,
      args: ['--store', `file://${disk.path}/store`, '--segment-duration', '1s'],
    });
    await disk.remount('ro');
    await using live = await Live.start(server, 300);
    await expectRecovery(server, live, 'EROFS', 'disk-error', () => disk.remount('rw'));
    await live.end();
    await server.stop();
    await expectPlayable(`${disk.path}/store`);
  });

  it("another user's: live goes on, the gap is declared, recording resumes when it may write", async () => {
    using dir = new TempDir('denied');
    chmodSync(dir.path, 0o755);
    const spool = dir.join('spool');
    const store = dir.join('store');
    mkdirSync(store);
    chownSync(store, NOBODY, NOBODY);
    mkdirSync(spool);
    chownSync(spool, NOBODY, NOBODY);
    await using server = await startServer({
      ownStore: true,
      uid: NOBODY,
      gid: NOBODY,
      args: ['--store', `file://${store}`, '--spool', spool, '--segment-duration', '1s'],
    });
    // The folder changes hands before anything is recorded in it.
    chownSync(spool, 0, 0);
    await using live = await Live.start(server, 300);
    await delay(500);
    await expectRecovery(server, live, 'EACCES', 'disk-error', () => chownSync(spool, NOBODY, NOBODY));
    await live.end();
    await server.stop();
    await expectPlayable(store);
  });
});
