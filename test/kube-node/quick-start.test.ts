import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkout } from '../readme/checkout.ts';
import { type CommandBlock, commandBlocks, section } from '../readme/command-blocks.ts';
import { expectDecodes, probe, runFfmpeg } from '../support/ffmpeg.ts';
import { ReleaseCluster } from '../support/kube/release-cluster.ts';
import type { TestProcess } from '../support/process.ts';
import type { TempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

const README = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
const INPUT_SECONDS = 40;
/** How long a player is watched playing. */
const WATCH_MS = 4000;

let release: ReleaseCluster;
let clone: TempDir;
let publisher: TestProcess | undefined;

beforeAll(async () => {
  clone = checkout();
  const video = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-g', '50', '-b:v', '500k'];
  const sources = ['-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=25', '-f', 'lavfi', '-i', 'sine=frequency=440'];
  await runFfmpeg([...sources, '-t', String(INPUT_SECONDS), ...video, '-c:a', 'aac', clone.join('input.mp4')]);
  release = await ReleaseCluster.start();
  await release.provideVolumes('headwater', ['spool-headwater-ingest-0', 'headwater-minio']);
}, 180_000);

afterAll(async () => {
  await publisher?.[Symbol.asyncDispose]();
  await release?.[Symbol.asyncDispose]();
  clone?.[Symbol.dispose]();
}, 120_000);

/** The commands of its section about Kubernetes, in their order. */
function quickStart(): CommandBlock[] {
  return commandBlocks(section(README, 'On Kubernetes')).filter(({ isRun }) => isRun);
}

const shell = (text: string): TestProcess =>
  release.shell(text, { cwd: clone.path, env: { SDL_VIDEODRIVER: 'dummy', SDL_AUDIODRIVER: 'dummy' } });

const run = async (text: string): Promise<string> => {
  await using process = shell(text);
  await process.succeed(200_000);
  return process.stdout;
};

/** What `kubectl get lstream -A` shows. */
const waitForRow = (what: string, row: RegExp): Promise<unknown> =>
  waitFor(what, async () => row.test(await release.kubectl('get', 'lstream', '-A')), {
    timeoutMs: 20_000,
    everyMs: 250,
  });

async function publisherEnds(): Promise<void> {
  const { code } = await publisher!.wait(60_000);
  expect(code, publisher!.stderr.slice(-2000)).toBe(0);
}

/** What each kind of block is followed by. The first that its text matches counts; without one, it has to end well. */
const STEPS: readonly { readonly of: RegExp; readonly run: (text: string) => Promise<void> }[] = [
  {
    of: /^npm run image/,
    run: async (text) => {
      await run(text);
      // What stands for `kind load image-archive`.
      await release.cluster.importImage(clone.join('build', 'headwater-image.tar'));
    },
  },
  {
    of: /-f flv/,
    run: async (text) => {
      publisher = shell(text);
      await waitForRow('the stream to be live', / Live +RTMP /);
    },
  },
  {
    of: /-f mpegts/,
    run: async (text) => {
      await publisherEnds();
      publisher = shell(text);
      await waitForRow('the stream to be live over SRT', / Live +SRT +h264 640x360 /);
      await publisherEnds();
    },
  },
  {
    of: /^ffplay/,
    run: async (text) => {
      // Without the shell in between, so that the signal that ends it reaches it.
      await using player = shell(`exec ${text}`);
      await delay(WATCH_MS);
      expect(player.exit, player.stderr.slice(-2000)).toBeUndefined();
      expect(player.stderr).toMatch(/Video: h264/);
    },
  },
  {
    of: /^kubectl get lstream/,
    run: async (text) => {
      await waitForRow(
        'codec and bit rate in the status',
        /^team-a +cam-1 +True +Live +RTMP +h264 640x360 +<1M +\d+s$/m,
      );
      expect(await run(text)).toMatch(/^NAMESPACE +NAME +READY +PHASE /);
    },
  },
  {
    of: /port-forward/,
    run: async (text) => {
      const stored = async (): Promise<number> =>
        (await release.kubectl('-n', 'headwater', 'logs', 'headwater-ingest-0')).split('"recording stored"').length - 1;
      await waitFor('both recordings to be in the store', async () => (await stored()) === 2, {
        timeoutMs: 60_000,
        everyMs: 500,
      });
      await run(text);
    },
  },
];

it('the quick start works word for word', { timeout: 400_000 }, async () => {
  const blocks = quickStart();
  expect(blocks.length).toBeGreaterThan(8);
  for (const { text } of blocks) {
    const began = performance.now();
    const step = STEPS.find(({ of }) => of.test(text));
    await (step ? step.run(text) : run(text)).catch(async (error: Error) => {
      throw new Error(`${text}\n${error.message}\n${await release.state('headwater')}`);
    });
    console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${text.split('\n')[0]}`);
  }
  const files = readdirSync(clone.path).filter((file) => /^\d{8}T\d{6}Z-\d+\.mp4$/.test(file));
  expect(files).toHaveLength(2);
  for (const file of files.map((name) => clone.join(name))) {
    await expectDecodes(file);
    const { streams, format } = await probe(file);
    expect(streams.map(({ codec_name }) => codec_name)).toEqual(['h264', 'aac']);
    expect(Number(format.duration)).toBeGreaterThan(INPUT_SECONDS - 0.5);
  }
  expect(await run("kubectl -n team-a get events -o jsonpath='{.items[*].type}'")).not.toContain('Warning');
});
