import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ffmpeg } from '../support/ffmpeg.ts';
import { expectRun, expectWhole, packetsOf } from '../support/media-compare.ts';
import { freeUdpPort } from '../support/ports.ts';
import { completeRecording } from '../support/recording.ts';
import { type Server, startServer } from '../support/server.ts';
import { SrtCaller, type SrtCallerOptions } from '../support/srt-caller.ts';
import { TempDir } from '../support/temp-dir.ts';
import { tsClip } from '../support/ts-clips.ts';
import { waitFor } from '../support/wait-for.ts';

const PASSPHRASE = 'a-passphrase-for-gcm';
const MESSAGE_BYTES = 1316;
const MESSAGES_PER_STEP = 4;
const STEP_MS = 10;
/** libsrt 1.5.4. */
const GCM_SINCE = 0x01_05_04;
/** Small, so that a clip of 8 s is sent with several keys. */
const REFRESH = { afterPackets: 120, preAnnouncePackets: 40 };
const KEY_LENGTHS = [16, 24, 32] as const;

let file: string;
let source: Buffer;
beforeAll(async () => {
  file = await tsClip('h264-small');
  source = readFileSync(file);
});

/** Sends the whole clip, several times as fast as it plays. */
async function sendClip(caller: SrtCaller): Promise<void> {
  for (let at = 0; at < source.length; ) {
    for (let i = 0; i < MESSAGES_PER_STEP && at < source.length; i++, at += MESSAGE_BYTES) {
      expect(caller.send(source.subarray(at, at + MESSAGE_BYTES))).toBe(true);
    }
    await delay(STEP_MS);
  }
}

describe.concurrent('AES-GCM', () => {
  let server: Server;
  beforeAll(async () => {
    server = await startServer({ args: ['--srt-passphrase', PASSPHRASE] });
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  it.each(KEY_LENGTHS)('our caller to our listener and back, %i bytes, through several keys', async (keyLength) => {
    const path = `live/gcm-${keyLength}`;
    const secret: SrtCallerOptions = { passphrase: PASSPHRASE, keyLength, mode: 'gcm', refresh: REFRESH };
    await using publisher = await SrtCaller.connect(server.ports.srt, { ...secret, streamId: `publish:${path}` });
    await using viewer = await SrtCaller.connect(server.ports.srt, { ...secret, streamId: `read:${path}` });
    await sendClip(publisher);
    const view = await waitFor('all to arrive', async () => {
      const now = await server.stream(path);
      return now?.publisher?.srt?.pktRecvUnique === Math.ceil(source.length / MESSAGE_BYTES) ? now : undefined;
    });
    const encryption = { cipher: 'aes-gcm', keyLength, passphrase: 'current' };
    expect(view.publisher?.srt).toMatchObject({ encryption, pktRcvUndecrypt: 0, pktRcvDrop: 0 });
    expect(view.viewers.srt?.[0]).toMatchObject({ encryption, pktSndDrop: 0 });
    await publisher.close();
    await viewer.closed;
    expect(viewer.statistics().pktRcvUndecrypt).toBe(0);
    const got = Buffer.concat(viewer.received);
    expect(source.includes(got.subarray(-100 * 188)), 'the viewer has the end of the source').toBe(true);
    expect(got.length).toBeGreaterThan(source.length * 0.98);
    const { segments } = await completeRecording(server.store, path);
    const frames = await packetsOf(segments[0]!.file, 'v:0', { filter: 'h264' });
    expectRun(frames, await packetsOf(file, 'v:0', { filter: 'h264' }), { what: 'recorded video' });
  });

  it.each([
    { name: 'another passphrase', passphrase: 'not-the-passphrase', code: /badSecret/ },
    { name: 'no passphrase', passphrase: undefined, code: /unsecure/ },
  ])('refuses $name', async ({ passphrase, code }) => {
    const secret = passphrase === undefined ? {} : { passphrase, mode: 'gcm' as const };
    const connecting = SrtCaller.connect(server.ports.srt, { ...secret, streamId: 'publish:live/no' });
    await expect(connecting).rejects.toMatchObject({ code: 'ERR_SRT_REFUSED', message: expect.stringMatching(code) });
  });

  // Its libsrt has AES-GCM, but its own options cannot ask for it: as a listener it takes what the caller brings.
  it.each(KEY_LENGTHS)(
    "ffmpeg 9's libsrt takes what our caller sends with %i bytes, through several keys",
    async (keyLength) => {
      using dir = new TempDir('gcm');
      const port = await freeUdpPort();
      const out = dir.join('out.ts');
      const url = `srt://127.0.0.1:${port}?mode=listener&passphrase=${PASSPHRASE}&listen_timeout=20000000`;
      await using listener = ffmpeg(['-i', url, '-map', '0', '-c', 'copy', '-f', 'mpegts', out], {
        version: 'ffmpeg9',
      });
      const secret: SrtCallerOptions = { passphrase: PASSPHRASE, keyLength, mode: 'gcm', refresh: REFRESH };
      await using caller = await SrtCaller.connect(port, { ...secret, timeoutMs: 15_000 });
      expect(caller.negotiated.peerVersion).toBeGreaterThanOrEqual(GCM_SINCE);
      await sendClip(caller);
      await delay(300);
      await caller.close();
      await listener.wait();
      const filter = 'h264';
      expectWhole(await packetsOf(out, 'v:0', { filter }), await packetsOf(file, 'v:0', { filter }), 'video');
    },
  );

  it.each(KEY_LENGTHS)(
    "our caller takes what ffmpeg 9's libsrt sends with %i bytes, through several keys",
    async (keyLength) => {
      const port = await freeUdpPort();
      const keys = `kmrefreshrate=${REFRESH.afterPackets}&kmpreannounce=${REFRESH.preAnnouncePackets}`;
      const url = `srt://127.0.0.1:${port}?mode=listener&passphrase=${PASSPHRASE}&${keys}&listen_timeout=20000000`;
      const args = ['-readrate', '4', '-i', file, '-map', '0', '-c', 'copy', '-f', 'mpegts', url];
      await using listener = ffmpeg(args, { version: 'ffmpeg9' });
      const secret: SrtCallerOptions = { passphrase: PASSPHRASE, keyLength, mode: 'gcm' };
      await using caller = await SrtCaller.connect(port, { ...secret, timeoutMs: 15_000 });
      await caller.closed;
      await listener.wait();
      const { pktRcvUndecrypt, pktRecvUnique } = caller.statistics();
      expect(pktRcvUndecrypt).toBe(0);
      expect(pktRecvUnique).toBeGreaterThan(4 * REFRESH.afterPackets);
      expect(caller.received.every((payload) => payload[0] === 0x47 && payload.length % 188 === 0)).toBe(true);
    },
  );
});
