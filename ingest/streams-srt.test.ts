import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { StreamView } from '../test/support/api-types.ts';
import { type InProcessServer, runServer } from '../test/support/running-server.ts';
import { SrtCaller, type SrtCallerOptions } from '../test/support/srt-caller.ts';
import { TempDir } from '../test/support/temp-dir.ts';
import { waitFor } from '../test/support/wait-for.ts';
import { refreshEvery } from './protocol/srt/connection-keys.ts';

const FIRST = 'the-first-passphrase';
const SECOND = 'the-second-passphrase';
const keys = (srtPassphrase: string) => `---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: team}
stringData: {rtmpKey: a-key-for-rtmp-0123, srtPassphrase: ${srtPassphrase}}
`;
const cam = (spec = '', credentials = '') => `---
apiVersion: headwater.dev/v1alpha1
kind: LiveStream
metadata: {name: cam, namespace: team}
spec: {credentials: {secretRef: {name: keys}${credentials}}${spec}}
`;
const TAKE_OVER = ', ingest: {onDuplicate: TakeOver}';
/** Seven packets of a transport stream that carry nothing. */
const NOTHING = Buffer.concat(
  Array.from({ length: 7 }, () => Buffer.concat([Buffer.from([0x47, 0x1f, 0xff, 0x10]), Buffer.alloc(184)])),
);

describe('configured streams over SRT', () => {
  let dir: TempDir;
  let running: InProcessServer;
  beforeEach(() => {
    dir = new TempDir('streams-srt');
  });
  afterEach(async () => {
    await running[Symbol.asyncDispose]();
    dir[Symbol.dispose]();
  });

  /** As an editor does it: another file under the same name. */
  function write(text: string): void {
    writeFileSync(dir.join('new'), text);
    renameSync(dir.join('new'), dir.join('cams.yaml'));
  }

  async function start(text: string): Promise<void> {
    write(text);
    running = await runServer('--streams', dir.path);
  }

  /** Writes the folder anew, and waits until it is obeyed. */
  async function change(text: string): Promise<void> {
    const configured = () => running.log.filter((line) => line.includes('stream configured')).length;
    const before = configured();
    write(text);
    await waitFor('the change', () => configured() > before);
  }

  const publish = (passphrase?: string, more: SrtCallerOptions = {}) =>
    SrtCaller.connect(running.server.ports.srt!, {
      streamId: 'publish:team/cam',
      ...(passphrase === undefined ? {} : { passphrase }),
      ...more,
    });

  /** `accepted`, or what the caller is told. */
  async function answer(passphrase?: string, more?: SrtCallerOptions): Promise<string> {
    try {
      await using caller = await publish(passphrase, more);
      await caller.close();
      return 'accepted';
    } catch (error) {
      return /refused: (.*)$/.exec((error as Error).message)?.[1] ?? String(error);
    }
  }

  it('take who has the passphrase, and tell all others why not', async () => {
    await start(keys(FIRST) + cam());
    expect({
      right: await answer(FIRST),
      wrong: await answer(SECOND),
      none: await answer(),
      'another path': await answer(FIRST, { streamId: 'publish:team/other' }),
      'another path, nothing known': await answer(undefined, { streamId: 'publish:live/test' }),
      'no path': await answer(FIRST, { streamId: '' }),
    }).toEqual({
      right: 'accepted',
      wrong: 'badSecret (1010)',
      none: 'unsecure (1011)',
      'another path': 'notFound (2404)',
      'another path, nothing known': 'notFound (2404)',
      'no path': 'badRequest (2400)',
    });
    expect(running.log.filter((line) => line.includes(FIRST) || line.includes(SECOND))).toEqual([]);
  });

  it.each([
    { name: 'that are suspended', spec: ', suspend: true', want: 'locked (2423)' },
    // There is no passphrase then that would be right.
    { name: 'that have no SRT', spec: ', ingest: {protocols: [RTMP]}', want: 'unsecure (1011)' },
  ])('$name refuse the right passphrase, too', async ({ spec, want }) => {
    await start(keys(FIRST) + cam(spec));
    expect(await answer(FIRST)).toBe(want);
  });

  it('get a passphrase where they have none of their own, and a URL with it to publish to', async () => {
    await start(cam().replace(/credentials: \{[^}]*\{[^}]*\}\}/, 'ingest: {srt: {keyLength: 24}}'));
    const file = join(running.dir, 'store/.spool/.streams/team.cam-ingest.yaml');
    const { stringData } = await waitFor('the file', () => existsSync(file) && parse(readFileSync(file, 'utf8')));
    const { srtUrl, srtPassphrase } = stringData;
    expect(srtPassphrase).toMatch(/^[\w-]{32}$/);
    const base = `srt://127.0.0.1:${running.server.ports.srt}`;
    expect(srtUrl).toBe(`${base}?streamid=publish:team/cam&passphrase=${srtPassphrase}&pbkeylen=24`);
    expect(await answer(srtPassphrase)).toBe('accepted');
    expect(running.log.filter((line) => line.includes(srtPassphrase))).toEqual([]);
  });

  it('take both passphrases during an overlap, and the new one alone afterwards', async () => {
    await start(keys(FIRST) + cam());
    const overlap = 3000;
    await change(keys(SECOND) + cam('', `, rotation: {overlap: ${overlap}ms}`));
    const expiresAt = performance.now() + overlap;
    expect([await answer(FIRST), await answer(SECOND)]).toEqual(['accepted', 'accepted']);
    await delay(expiresAt - performance.now());
    expect([await answer(FIRST), await answer(SECOND)]).toEqual(['badSecret (1010)', 'accepted']);
  });

  it('keep who is live over a rotation, with the passphrase it came with for its own new session keys', async () => {
    await start(keys(FIRST) + cam());
    await using live = await publish(FIRST, { refresh: refreshEvery(50) });
    await change(keys(SECOND) + cam('', ', rotation: {overlap: 0s}'));
    expect(await answer(FIRST)).toBe('badSecret (1010)');
    for (let sent = 0; sent < 300; sent++) {
      live.send(NOTHING);
      await delay(2);
    }
    const publisher = await waitFor('all to arrive', async () => {
      const view = await running.get<StreamView>('/api/v1/streams/team/cam');
      return view.publisher?.srt?.pktRecvUnique === 300 && view.publisher;
    });
    expect(publisher).toMatchObject({ protocol: 'srt', srt: { pktRecvUnique: 300, pktRcvUndecrypt: 0 } });
    expect(live.isClosed).toBe(false);
  });

  it.each([
    { name: 'its passphrase is revoked', text: keys(SECOND) + cam(TAKE_OVER, ', rotation: {revokePrevious: true}') },
    { name: 'the stream is suspended', text: keys(FIRST) + cam(`${TAKE_OVER}, suspend: true`) },
    { name: 'the stream is removed', text: keys(FIRST) },
  ])('cut a publisher within a second when $name', async ({ text }) => {
    await start(keys(FIRST) + cam(TAKE_OVER));
    await using live = await publish(FIRST);
    const began = performance.now();
    write(text);
    expect(await live.closed).toBe('shutdown');
    expect(performance.now() - began).toBeLessThan(1000);
    expect(await answer(FIRST)).not.toBe('accepted');
  });

  it('let people watch over SRT with the passphrase, as the stream says', async () => {
    await start(keys(FIRST) + cam());
    await using publisher = await publish(FIRST);
    const read = { streamId: 'read:team/cam' };
    const seen = await answer(SECOND, read);
    await change(keys(FIRST) + cam(', playback: {protocols: [RTMP]}'));
    expect([seen, await answer(FIRST, read)]).toEqual(['badSecret (1010)', 'forbidden (2403)']);
    expect(publisher.isClosed).toBe(false);
  });
});
