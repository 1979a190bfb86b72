import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { tool } from '../setup/tools.ts';
import { freeUdpPort } from '../support/ports.ts';
import { startServer } from '../support/server.ts';
import { refusalOf } from '../support/srt-programs.ts';
import { TempDir } from '../support/temp-dir.ts';
import { tsClip } from '../support/ts-clips.ts';
import { waitFor } from '../support/wait-for.ts';
import { LossyNetwork } from './lossy-network.ts';
import { LossyPublisher } from './lossy-publisher.ts';

const PATH = 'live/test';
const PREVIOUS = 'the old passphrase';
const CURRENT = 'the new passphrase';
/** Packets with one key. */
const REFRESH = 2000;
const ROTATIONS = 5;
const LATENCY_MS = 640;
const MESSAGES_PER_SECOND = 1000;
const MESSAGE_BYTES = 1316;
/** Of the publication, which takes 31 s. */
const EXPIRES_AFTER_MS = 12_000;
const ENV = { HEADWATER_SRT_KEY_REFRESH: String(REFRESH), HEADWATER_SRT_WAIT_FOR_PUBLISHER: '14s' };

it('keys change five times and more each way under 2 % loss, before and after the passphrase expired: every packet is read', async () => {
  const file = await tsClip('h264-5m');
  const whole = readFileSync(file);
  const source = whole.subarray(0, whole.length - (whole.length % MESSAGE_BYTES));
  using dir = new TempDir('passphrases');
  const passphrases = dir.join('passphrases.json');
  const expiresAt = Date.now() + EXPIRES_AFTER_MS;
  const previousExpiresAt = new Date(expiresAt).toISOString();
  writeFileSync(passphrases, JSON.stringify({ [PATH]: { current: CURRENT, previous: PREVIOUS, previousExpiresAt } }));

  await using net = LossyNetwork.open();
  const port = await freeUdpPort();
  const args = ['--srt-listen', `${net.here}:${port}`, '--srt-passphrase-file', passphrases];
  await using server = await startServer({ env: ENV, args });
  const target = net.way(port, { lossPercent: 2, delayMs: 40, jitterMs: 4 });
  await net.begin();

  const pieces: Buffer[] = [];
  const common = { latency: LATENCY_MS, conntimeo: 15_000 };
  const callAs = (options: Readonly<Record<string, string | number>>) =>
    `srt://${target}?${Object.entries({ ...common, ...options })
      .map(([name, value]) => `${name}=${value}`)
      .join('&')}`;
  const play = [callAs({ streamid: `read:${PATH}`, passphrase: CURRENT, pbkeylen: 32 }), 'file://con'];
  await using viewer = net.client(tool('srt-live-transmit'), ['-loglevel', 'error', '-a:no', ...play], {
    onStdout: (data) => pieces.push(data),
  });
  await server.waitForLog('play command', { stream_key: PATH });
  const renewal = { kmrefreshrate: REFRESH, kmpreannounce: REFRESH / 2 - 1 };
  const session = { ...common, ...renewal, streamid: `publish:${PATH}`, passphrase: PREVIOUS, pbkeylen: 16 };
  await using publisher = new LossyPublisher(net, file, target, session);
  const feeding = publisher.feed(60_000, MESSAGES_PER_SECOND);
  feeding.catch(() => {});

  await delay(expiresAt - Date.now() + 1000);
  const thereThen = net.newKeys('there');
  await using late = net.client(tool('srt-live-transmit'), [
    ...['-loglevel', 'note', '-a:no', callAs({ streamid: `read:${PATH}`, passphrase: PREVIOUS }), 'file://con'],
  ]);
  await refusalOf(late); // the previous passphrase opens nothing any more
  await feeding;
  const last = source.subarray(-MESSAGE_BYTES);
  await waitFor('the last message to reach the viewer', () => Buffer.concat(pieces.slice(-200)).includes(last));
  const view = await server.stream(PATH);
  await publisher.stop();
  await viewer.wait();

  const encryption = { cipher: 'aes-ctr', keyLength: 16, passphrase: 'previous' };
  expect(view?.publisher?.srt).toMatchObject({ encryption, pktRcvUndecrypt: 0, pktRcvDrop: 0 });
  const got = Buffer.concat(pieces);
  const begin = source.subarray(source.indexOf(got.subarray(4 * MESSAGE_BYTES, 5 * MESSAGE_BYTES)));
  const first = got.indexOf(begin.subarray(0, MESSAGE_BYTES));
  expect(begin.length, 'the viewer saw it from near its beginning').toBeGreaterThan(0.9 * source.length);
  expect(got.subarray(first, first + begin.length).equals(begin), 'the very bytes reached the viewer').toBe(true);
  expect(net.newKeys('there')).toBeGreaterThanOrEqual(2 * ROTATIONS);
  expect(net.newKeys('there') - thereThen).toBeGreaterThanOrEqual(ROTATIONS);
  expect(net.newKeys('back')).toBeGreaterThanOrEqual(2 * ROTATIONS);
  expect(net.lost()).toBeGreaterThan(0.01 * (source.length / MESSAGE_BYTES));
});
