import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SETTING_KEYS, SETTINGS, SPECIAL_FLAGS } from '../../ingest/config/flags.ts';
import packageJson from '../../package.json' with { type: 'json' };
import type { StreamView } from '../support/api-types.ts';
import { runFfmpeg } from '../support/ffmpeg.ts';
import { freePort, freeUdpPort } from '../support/ports.ts';
import { start, type TestProcess } from '../support/process.ts';
import { completeRecording } from '../support/recording.ts';
import type { TempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';
import { checkout } from './checkout.ts';
import { commandBlocks, section } from './command-blocks.ts';

const ROOT = join(import.meta.dirname, '../..');
const WHOLE = readFileSync(join(ROOT, 'README.md'), 'utf8');
/** Without the section that test/kube-node follows on a cluster. */
const README = WHOLE.replace(section(WHOLE, 'On Kubernetes'), '');
const INPUT_SECONDS = 40;
/** How long a player is watched playing. */
const WATCH_MS = 4000;

let clone: TempDir;
/** Ports in the README, and those that stand for them here: other servers may run on this machine. */
const ports = new Map<string, number>();
let server: TestProcess | undefined;
let publisher: TestProcess | undefined;

beforeAll(async () => {
  clone = checkout();
  for (const port of ['1935', '1936', '8080', '9000', '9090']) ports.set(port, await freePort());
  ports.set('10080', await freeUdpPort());
  const video = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-g', '50', '-b:v', '500k'];
  const sources = ['-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=25', '-f', 'lavfi', '-i', 'sine=frequency=440'];
  await runFfmpeg([...sources, '-t', String(INPUT_SECONDS), ...video, '-c:a', 'aac', clone.join('input.mp4')]);
});

afterAll(async () => {
  await publisher?.[Symbol.asyncDispose]();
  await server?.stop();
  clone[Symbol.dispose]();
});

/** The block in a shell in the clone, as a reader would paste it, but for the ports. */
function shell(text: string): TestProcess {
  const moved = text.replace(/\b(?:1935|1936|8080|9000|9090|10080)\b/g, (port) => String(ports.get(port)));
  return start('sh', ['-ec', moved], {
    cwd: clone.path,
    env: {
      HEADWATER_LISTEN: `:${ports.get('1935')}`,
      HEADWATER_SRT_LISTEN: `:${ports.get('10080')}`,
      HEADWATER_HTTP_LISTEN: `:${ports.get('8080')}`,
      HEADWATER_METRICS_ADDR: `127.0.0.1:${ports.get('9090')}`,
      SDL_VIDEODRIVER: 'dummy',
      SDL_AUDIODRIVER: 'dummy',
    },
  });
}

async function startsServer(text: string): Promise<void> {
  await publisher?.[Symbol.asyncDispose]();
  expect(await server?.stop(), 'how the server before this one ended').toSatisfy((exit) => !exit || exit.code === 0);
  // Without the shell in between, so that the signal that ends it reaches it.
  const child = shell(text.replace(/^npm start/m, 'exec npm start'));
  server = child;
  await waitFor('the server to be ready', async () => {
    if (child.exit) throw new Error(`it ended: ${child.stdout}${child.stderr}`);
    const ready = await fetch(`http://127.0.0.1:${ports.get('9090')}/readyz`).catch(() => undefined);
    return ready?.status === 200;
  });
}

async function publishes(text: string): Promise<void> {
  const child = shell(text.replace(/^ffmpeg/m, 'exec ffmpeg'));
  publisher = child;
  const view = await waitFor('the stream to be live', async () => {
    if (child.exit) throw new Error(`the publisher ended: ${child.stderr}`);
    const response = await fetch(`http://127.0.0.1:${ports.get('8080')}/api/v1/streams/live/test`);
    const body = (await response.json()) as StreamView;
    return body.video && body.audio ? body : undefined;
  });
  expect([view.video!.codec, view.audio!.codec]).toEqual(['h264', 'aac']);
}

async function plays(text: string): Promise<void> {
  await using player = shell(text.replace(/^ffplay/m, 'exec ffplay -hide_banner -loglevel info'));
  await waitFor('the player to have sound and picture', () => {
    if (player.exit) throw new Error(`the player ended: ${player.stderr}`);
    return /Stream.*Video: h264/.test(player.stderr) && /Stream.*Audio: aac/.test(player.stderr);
  });
  await new Promise((done) => setTimeout(done, WATCH_MS));
  expect(player.exit).toBeUndefined();
  expect(player.stderr).not.toMatch(/error|invalid|corrupt|concealing|missing/i);
}

async function succeeds(text: string): Promise<string> {
  if (text.includes('index.m3u8')) {
    await publisher!.succeed();
    await completeRecording(clone.join('recordings'), 'live/test');
  }
  // What it asks for may need a moment: the first segment.
  return waitFor(
    `success of ${text}`,
    async () => {
      await using child = shell(text);
      const { code } = await child.wait();
      return code === 0 ? child.stdout : undefined;
    },
    { timeoutMs: 30_000, everyMs: 500 },
  );
}

describe('README.md', () => {
  const blocks = commandBlocks(README);

  it.each(blocks.filter(({ isRun }) => isRun))('line $line: $text', async ({ text }) => {
    if (/^npm (?:test|run) ?/.test(text)) {
      // This very run: what is checked is that the words are right.
      expect(Object.keys(packageJson.scripts)).toContain(text.split(' ').at(-1));
    } else if (/^npm start.*--help/m.test(text)) expect(await succeeds(text)).toContain('--segment-pattern');
    else if (/^npm start/m.test(text)) await startsServer(text);
    else if (/^ffmpeg -re /m.test(text)) await publishes(text);
    else if (/^ffplay /m.test(text)) await plays(text);
    else if (/^curl /m.test(text)) expect(JSON.parse(await succeeds(text))).toMatchObject({ video: { codec: 'h264' } });
    else expect((await succeeds(text)) + text).not.toBe('');
  });

  it('made the files that it speaks of', () => {
    expect(existsSync(clone.join('whole.mp4'))).toBe(true);
    expect(existsSync(clone.join('cert.pem'))).toBe(true);
  });

  it('says of what is not run why it is not', () => {
    const unrun = commandBlocks(WHOLE).filter(({ isRun }) => !isRun);
    for (const { text } of unrun) expect(text).toMatch(/^(?:docker|kind) /);
    expect(WHOLE.match(/not run by the tests/g)).toHaveLength(unrun.length);
  });

  it('links to files that exist', () => {
    const links = [...WHOLE.matchAll(/\]\(([^)#]+)/g)].map(([, target]) => target!);
    expect(links.length).toBeGreaterThan(5);
    for (const link of links) expect(existsSync(join(ROOT, link)), link).toBe(true);
  });

  it('names only flags that exist', () => {
    const known = new Set([...SETTING_KEYS.map((key) => SETTINGS[key].flag), ...Object.keys(SPECIAL_FLAGS)]);
    const others = new Set(['read-only']); // of docker
    const named = [...README.matchAll(/(?<=[\s`])--([a-z][a-z0-9-]*)/g)].map(([, flag]) => flag!);
    expect(named.length).toBeGreaterThan(20);
    for (const flag of named) if (!others.has(flag)) expect(known, `--${flag}`).toContain(flag);
  });
});
