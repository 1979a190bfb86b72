import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clip } from '../support/clips.ts';
import { freeUdpPort } from '../support/ports.ts';
import { completeRecording } from '../support/recording.ts';
import { type Server, srtUrl, startServer } from '../support/server.ts';
import { SrtCaller } from '../support/srt-caller.ts';
import { publishSrt, refusalOf, srtLiveTransmit } from '../support/srt-programs.ts';
import { TempDir } from '../support/temp-dir.ts';
import { waitFor } from '../support/wait-for.ts';

const PASSPHRASES = {
  right: 'the-right-passphrase',
  wrong: 'quite-another-passphrase',
  previous: 'the-one-before-it',
  expired: 'one-that-has-expired',
} as const;
const ENCRYPTIONS = ['Required', 'Optional', 'Disabled'] as const;
const KEY_LENGTHS = [16, 24, 32] as const;
/** Of the paths that the file does not name. */
const SHARED = { passphrase: PASSPHRASES.right };
/** Clips have 25 frames a second: a few of them are proof enough. */
const FRAMES = 5;

type Encryption = (typeof ENCRYPTIONS)[number];
type Secret = keyof typeof PASSPHRASES | 'none';

/** What the caller is told; undefined: it is let in. */
function expected(encryption: Encryption, secret: Secret): { code: string; reject: number } | undefined {
  const unsecure = { code: 'ERR_SRT_UNSECURE', reject: 1011 };
  if (secret === 'none') return encryption === 'Required' ? unsecure : undefined;
  if (encryption === 'Disabled') return unsecure;
  return secret === 'right' || secret === 'previous' ? undefined : { code: 'ERR_SRT_BAD_SECRET', reject: 1010 };
}

interface Row {
  readonly encryption: Encryption;
  readonly secret: Secret;
  readonly keyLength: number;
  readonly path: string;
  readonly outcome: { readonly code: string; readonly reject: number } | undefined;
}

const ROWS: readonly Row[] = ENCRYPTIONS.flatMap((encryption) =>
  (['none', 'right', 'wrong', 'previous', 'expired'] as const).flatMap((secret) =>
    KEY_LENGTHS.map((keyLength) => ({
      encryption,
      secret,
      keyLength,
      path: `enc/${encryption}-${secret}-${keyLength}`.toLowerCase(),
      outcome: expected(encryption, secret),
    })),
  ),
);

/** Options of a libsrt caller. */
function optionsOf({ secret, keyLength }: Row): Record<string, string | number> {
  return secret === 'none' ? {} : { passphrase: PASSPHRASES[secret], pbkeylen: keyLength };
}

const title = ({ encryption, secret, keyLength }: Row) => `${encryption}, passphrase ${secret}, ${keyLength} bytes`;

describe.concurrent('passphrases of libsrt callers', () => {
  const dir = new TempDir('encryption');
  let server: Server;
  let file: string;
  beforeAll(async () => {
    file = await clip('h264-small');
    const hour = 3_600_000;
    const passphrases = Object.fromEntries(
      ROWS.map(({ path, secret }) => {
        const isOver = secret === 'expired';
        const previousExpiresAt = new Date(Date.now() + (isOver ? -hour : hour)).toISOString();
        const previous = isOver ? PASSPHRASES.expired : PASSPHRASES.previous;
        return [path, { current: PASSPHRASES.right, previous, previousExpiresAt }];
      }),
    );
    writeFileSync(dir.join('passphrases.json'), JSON.stringify(passphrases));
    const paths = Object.fromEntries(ROWS.map(({ path, encryption }) => [path, { encryption }]));
    server = await startServer({
      args: ['--srt-passphrase-file', dir.join('passphrases.json'), '--srt-passphrase', SHARED.passphrase],
      env: { HEADWATER_SRT_PATHS: JSON.stringify(paths) },
    });
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    dir[Symbol.dispose]();
  });

  it.each(ROWS.filter(({ outcome }) => outcome === undefined).map((row) => [title(row), row] as const))(
    'lets in: %s',
    async (_, row) => {
      const { path, secret, keyLength } = row;
      await using publisher = publishSrt(file, server.srt(`publish:${path}`, optionsOf(row)), { rate: 4 });
      const view = await waitFor('frames', async () => {
        const now = await server.stream(path);
        return now && now.frames > FRAMES ? now : undefined;
      });
      const passphrase = secret === 'previous' ? 'previous' : 'current';
      const encryption = secret === 'none' ? null : { cipher: 'aes-ctr', keyLength, passphrase };
      expect(view.publisher?.srt).toMatchObject({ encryption, pktRcvUndecrypt: 0 });
      await publisher.succeed();
      expect((await completeRecording(server.store, path)).segments.length).toBeGreaterThan(0);
    },
  );

  it.each(ROWS.filter(({ outcome }) => outcome !== undefined).map((row) => [title(row), row] as const))(
    'refuses: %s',
    async (_, row) => {
      const { path, outcome } = row;
      const udp = await freeUdpPort();
      const url = server.srt(`publish:${path}`, optionsOf(row));
      await using caller = srtLiveTransmit(`udp://127.0.0.1:${udp}`, url, { args: ['-a:no'] });
      expect(await refusalOf(caller)).toBe(
        outcome!.reject === 1010 ? 'Incorrect passphrase' : 'Password required or unexpected',
      );
      await server.waitForLog('SRT caller refused', { ...outcome, stream_id: `publish:${path}` });
      expect(server.log.all('publication started', { stream_key: path })).toEqual([]);
      expect(existsSync(join(server.store, path))).toBe(false);
    },
  );

  it.each([
    { secret: 'right', reject: undefined },
    { secret: 'wrong', reject: 1010 },
    { secret: 'none', reject: 1011 },
  ] as const)('a viewer with passphrase $secret, as a publisher is', async ({ secret, reject }) => {
    const path = `enc/viewed-${secret}`;
    await using publisher = await SrtCaller.connect(server.ports.srt, { streamId: `publish:${path}`, ...SHARED });
    const options = secret === 'none' ? {} : { passphrase: PASSPHRASES[secret] };
    await using viewer = srtLiveTransmit(server.srt(`read:${path}`, options), 'file://con', { args: ['-a:no'] });
    if (reject === undefined) {
      await server.waitForLog('Subscriber added', { stream_key: path });
      expect(viewer.exit).toBeUndefined();
    } else {
      await server.waitForLog('SRT caller refused', { stream_id: `read:${path}`, reject });
      await refusalOf(viewer);
    }
    await publisher.close();
  });

  it('says no passphrase anywhere', () => {
    const said = JSON.stringify(server.log.records) + server.process.stderr;
    for (const passphrase of Object.values(PASSPHRASES)) expect(said).not.toContain(passphrase);
  });
});

describe.concurrent('our caller at a listener of libsrt', () => {
  const wrong = { code: 'ERR_SRT_REFUSED', message: expect.stringContaining('badSecret (1010)') };
  const unsecure = { code: 'ERR_SRT_REFUSED', message: expect.stringContaining('unsecure (1011)') };

  it.each([
    { listener: 'none', caller: 'none', outcome: undefined },
    { listener: 'none', caller: 'right', outcome: unsecure },
    { listener: 'right', caller: 'right', outcome: undefined },
    { listener: 'right', caller: 'wrong', outcome: wrong },
    { listener: 'right', caller: 'none', outcome: unsecure },
  ] as const)('its passphrase: $listener, ours: $caller', async ({ listener, caller, outcome }) => {
    const port = await freeUdpPort();
    const secret = (of: 'none' | 'right' | 'wrong') => (of === 'none' ? {} : { passphrase: PASSPHRASES[of] });
    const url = srtUrl(port, { mode: 'listener', ...secret(listener) });
    const pieces: Buffer[] = [];
    await using program = srtLiveTransmit(url, 'file://con', {
      args: ['-a:no'],
      onStdout: (data) => pieces.push(data),
    });
    const connecting = SrtCaller.connect(port, { ...secret(caller), keyLength: 24, timeoutMs: 10_000 });
    if (outcome !== undefined) return void (await expect(connecting).rejects.toMatchObject(outcome));
    await using own = await connecting;
    const message = Buffer.alloc(1316, 'sent by our caller ');
    expect(own.send(message)).toBe(true);
    await waitFor('the message to be acknowledged', () => own.statistics().pktSndBuf === 0);
    await delay(300);
    await own.close();
    await program.wait();
    expect(Buffer.concat(pieces).equals(message)).toBe(true);
  });
});

describe('a passphrase that changes while the server runs', () => {
  it('lets in the new one and, for its time, the old one; a bad file changes nothing', async () => {
    using dir = new TempDir('passphrases');
    const file = dir.join('passphrases.json');
    const path = 'live/turn';
    const [old, next] = ['old-passphrase', 'new-passphrase'];
    const write = (entry: unknown) => writeFileSync(file, JSON.stringify({ [path]: entry }));
    write(old);
    await using server = await startServer({ args: ['--srt-passphrase-file', file, '--record-all=false'] });
    const outcome = async (passphrase: string): Promise<string> => {
      const url = server.srt(`publish:${path}`, { passphrase });
      const before = server.log.records.length;
      await using publisher = publishSrt(await clip('h264-small'), url, { rate: 4, output: ['-t', '1'] });
      const { code } = await publisher.wait();
      if (code === 0) return 'let in';
      const refused = await server.waitForLog('SRT caller refused', {}, { after: before });
      return String(refused.code);
    };
    expect(await outcome(old)).toBe('let in');
    expect(await outcome(next)).toBe('ERR_SRT_BAD_SECRET');
    const expiring = (ms: number) => {
      const previousExpiresAt = new Date(Date.now() + ms).toISOString();
      return { current: next, previous: old, previousExpiresAt };
    };
    write(expiring(3_600_000));
    await server.waitForLog('SRT passphrases reloaded');
    expect(await outcome(next)).toBe('let in');
    expect(await outcome(old)).toBe('let in');
    writeFileSync(file, '{"live/turn": "short"}');
    await server.waitForLog('SRT passphrases not reloaded', { code: 'ERR_SRT_PASSPHRASE_FILE' });
    expect(await outcome(next)).toBe('let in');
    write(expiring(1_000));
    const expired = async () => (await outcome(old)) === 'ERR_SRT_BAD_SECRET';
    await waitFor('the old one to expire', expired, { everyMs: 1_000 });
  });
});
