import { describe, expect, it } from 'vitest';
import { CallerHandshake, type CallerOptions } from './caller-handshake.ts';
import { encodeExtensions } from './handshake-extension.ts';
import { EXTENSION_FIELD, encodeHandshake, HANDSHAKE, type Handshake, parseHandshake } from './handshake-packet.ts';
import { agreeOnKeys, type KeyPolicy, offerKeys } from './key-agreement.ts';
import { ListenerHandshake } from './listener-handshake.ts';
import type { Negotiated } from './negotiated.ts';
import { setTimestamp, timestampOf, writeDataHeader } from './packet.ts';

const ADDRESS = '192.0.2.7';
const PORT = 5000;
const OPTIONS: CallerOptions = {
  localSocketId: 0x0707,
  initialSequence: 0x7fff_fff0,
  address: '192.0.2.1',
  streamId: 'publish:live/test',
  latencyMs: 80,
  flowWindow: 8192,
  timeoutMs: 3000,
};

const listening = (): ListenerHandshake =>
  new ListenerHandshake({ secret: Buffer.alloc(32, 5), flowWindow: 25_600, halfOpen: 10, admits: () => true });

type Policy = KeyPolicy<{ passphrase: string }>;
const CLEAR: Policy = { encryption: 'Disabled', passphrases: [] };

/**
 * Both sides, 20 ms apart each way; `lost` says which datagrams do not arrive (numbered over both directions).
 * Returns what each has settled.
 */
async function connect(options: Partial<CallerOptions>, policy = CLEAR, lost: readonly number[] = []) {
  const listener = listening();
  let now = 1_000_000;
  let count = 0;
  const toListener: { at: number; datagram: Buffer }[] = [];
  const toCaller: { at: number; datagram: Buffer }[] = [];
  const put = (queue: typeof toListener, datagram: Buffer): void => {
    if (!lost.includes(count++)) queue.push({ at: now + 20_000, datagram });
  };
  const caller = new CallerHandshake({ ...OPTIONS, ...options }, (datagram) => put(toListener, datagram), now);
  let theirs: Negotiated | undefined;
  for (;;) {
    now += 10_000;
    for (const { datagram } of toListener.splice(0, toListener.findLastIndex(({ at }) => at <= now) + 1)) {
      const step = listener.receive(datagram, ADDRESS, PORT, now);
      if (step?.kind === 'request') {
        const caller = { keyMessage: step.request.keyMessage, version: step.request.hs.version };
        const agreed = await agreeOnKeys(caller, policy).catch(() => null);
        if (agreed === null) put(toCaller, listener.refuse(step.request, 'badSecret', now));
        else {
          const accepted = listener.accept(step.request, { localSocketId: 0x0909, latencyMs: 200, agreed }, now);
          theirs = accepted.negotiated;
          put(toCaller, accepted.datagram);
        }
      } else if (step) put(toCaller, step.datagram);
    }
    for (const { datagram } of toCaller.splice(0, toCaller.findLastIndex(({ at }) => at <= now) + 1)) {
      const ours = caller.receive(datagram, now);
      if (ours) return { ours, theirs: theirs as Negotiated, now, sent: count };
    }
    caller.tick(now);
  }
}

describe('caller and listener', () => {
  it('settle the same connection', async () => {
    const { ours, theirs, now } = await connect({});
    expect(ours).toEqual({
      localSocketId: 0x0707,
      peerSocketId: 0x0909,
      initialSequence: 0x7fff_fff0,
      mtu: 1500,
      peerFlowWindow: 25_600,
      receiveLatencyMs: 200,
      sendLatencyMs: 200,
      peerVersion: 0x01_05_04,
      peerFlags: 0x3f,
      rttUs: 40_000,
      streamId: 'publish:live/test',
      timeBase: { peerTimestamp: 0, arrivedAt: now },
      startedAt: 1_000_000,
    });
    expect(theirs).toMatchObject({
      localSocketId: 0x0909,
      peerSocketId: 0x0707,
      initialSequence: 0x7fff_fff0,
      streamId: 'publish:live/test',
      timeBase: { peerTimestamp: 40_000 },
    });
  });

  it.each([
    { lost: [0], name: 'the first induction' },
    { lost: [1], name: 'its answer' },
    { lost: [2], name: 'the conclusion' },
    { lost: [3], name: 'its answer' },
    { lost: [0, 2, 4, 6], name: 'every other datagram' },
  ])('connect though they lose $lost ($name), and the clocks still agree', async ({ lost }) => {
    const { ours, theirs } = await connect({}, CLEAR, lost);
    expect(ours.peerSocketId).toBe(theirs.localSocketId);
    // Timestamp of the peer and our time of its arrival differ by the peer's start and 20 ms of way, in both directions.
    expect(ours.timeBase.arrivedAt - ours.timeBase.peerTimestamp).toBe(theirs.startedAt + 20_000);
    expect(theirs.timeBase.arrivedAt - theirs.timeBase.peerTimestamp).toBe(ours.startedAt + 20_000);
  });

  it.each([16, 24, 32] as const)('encrypt with keys of %i bytes', async (keyLength) => {
    const passphrases = [{ passphrase: 'right passphrase' }];
    const keys = await offerKeys({ passphrase: 'right passphrase', keyLength, mode: 'gcm' });
    const { ours, theirs } = await connect({ keys }, { encryption: 'Required', passphrases });
    const datagram = Buffer.alloc(16 + 188 + 16, 1);
    writeDataHeader(datagram, 1, 2, 3, 4);
    ours.keys?.encrypt(datagram);
    expect(theirs.keys?.decrypt(datagram)).toEqual(Buffer.alloc(188, 1));
  });

  it('do not connect where the passphrases differ', async () => {
    const keys = await offerKeys({ passphrase: 'wrong passphrase', keyLength: 16, mode: 'ctr' });
    const policy: Policy = { encryption: 'Required', passphrases: [{ passphrase: 'right passphrase' }] };
    await expect(connect({ keys }, policy)).rejects.toThrow('ERR_SRT_REFUSED: the listener refused: badSecret (1010)');
    await expect(connect({}, policy)).rejects.toMatchObject({ code: 'ERR_SRT_REFUSED' });
  });
});

describe('caller', () => {
  const answer = (fields: Partial<Handshake>, extensions?: Buffer): Buffer =>
    encodeHandshake(
      {
        version: 5,
        encryption: 0,
        extension: 0x4a17,
        initialSequence: 1,
        mtu: 1500,
        flowWindow: 8192,
        type: HANDSHAKE.induction,
        socketId: 0x0909,
        cookie: 77,
        ...fields,
      },
      { timestamp: 0, destination: OPTIONS.localSocketId, address: '127.0.0.1' },
      extensions,
    );
  const HS = { version: 0x01_05_03, flags: 0xbf, receiveLatencyMs: 120, sendLatencyMs: 120 };

  /** A caller that has sent its conclusion. */
  function concluding(options: Partial<CallerOptions> = {}) {
    const sent: Buffer[] = [];
    const caller = new CallerHandshake({ ...OPTIONS, ...options }, (datagram) => sent.push(datagram), 0);
    caller.receive(answer({}), 10_000);
    return { caller, sent };
  }

  it('repeats its request every 250 ms with the time of now, until its time is up', () => {
    const sent: Buffer[] = [];
    const caller = new CallerHandshake(OPTIONS, (datagram) => sent.push(datagram), 5_000);
    for (let now = 5_000; now < 3_000_000; now += 10_000) caller.tick(now);
    expect(sent.map(timestampOf)).toEqual(Array.from({ length: 12 }, (_, i) => i * 250_000));
    expect(() => caller.tick(3_005_000)).toThrow('ERR_SRT_NO_ANSWER');
    expect(caller.receive(answer({}), 3_005_000)).toBeUndefined();
    expect(sent).toHaveLength(12);
  });

  it('goes on with the cookie at once, and ignores repeated answers', () => {
    const { caller, sent } = concluding();
    expect(parseHandshake(sent[1] as Buffer)).toMatchObject({
      version: 5,
      type: HANDSHAKE.conclusion,
      cookie: 77,
      extension: EXTENSION_FIELD.hs | EXTENSION_FIELD.config,
    });
    caller.receive(answer({ cookie: 78 }), 20_000);
    expect(sent).toHaveLength(2);
  });

  it('ignores what is not for it', () => {
    const { caller } = concluding();
    const stranger = answer({ type: 1002 });
    stranger.writeUInt32BE(5, 12);
    const data = Buffer.alloc(64);
    setTimestamp(data, 1);
    for (const datagram of [stranger, data, Buffer.alloc(15)]) expect(caller.receive(datagram, 1)).toBeUndefined();
  });

  it.each([
    { name: 'is refused', fields: { type: 1010 }, want: 'ERR_SRT_REFUSED: the listener refused: badSecret (1010)' },
    { name: 'is refused for a reason without name', fields: { type: 3007 }, want: 'refused: 3007 (3007)' },
    { name: 'gets no SRT block', fields: {}, want: 'ERR_SRT_HANDSHAKE' },
    { name: 'gets no socket id', fields: { socketId: 0 }, hs: HS, want: 'ERR_SRT_HANDSHAKE' },
    { name: 'gets a flow window of 0', fields: { flowWindow: 0 }, hs: HS, want: 'ERR_SRT_HANDSHAKE' },
    { name: 'gets a key nobody asked for', fields: {}, hs: HS, key: Buffer.alloc(8), want: 'ERR_SRT_UNSECURE' },
  ])('fails when it $name', ({ fields, hs, key, want }) => {
    const { caller } = concluding();
    const blocks = encodeExtensions({ ...(hs ? { hs } : {}), ...(key ? { key } : {}) }, 'response');
    expect(() => caller.receive(answer({ type: HANDSHAKE.conclusion, ...fields }, blocks), 20_000)).toThrow(want);
    expect(caller.receive(answer({ type: 1010 }), 30_000), 'it is over').toBeUndefined();
  });

  it.each([
    { name: 'no answer to its key', key: undefined, want: 'ERR_SRT_UNSECURE' },
    { name: 'NOSECRET', key: '03000000', want: 'ERR_SRT_UNSECURE' },
    { name: 'BADSECRET', key: '04000000', want: 'ERR_SRT_BAD_SECRET' },
    { name: 'BADSECRET in network order', key: '00000004', want: 'ERR_SRT_BAD_SECRET' },
    { name: 'BADCRYPTOMODE', key: '05000000', want: 'ERR_SRT_CRYPTO_MODE' },
    { name: 'another key', key: '0102030405060708', want: 'ERR_SRT_UNSECURE' },
  ])('with a passphrase fails at $name', async ({ key, want }) => {
    const { caller } = concluding({
      keys: await offerKeys({ passphrase: 'a passphrase', keyLength: 16, mode: 'ctr' }),
    });
    const blocks = encodeExtensions({ hs: HS, ...(key ? { key: Buffer.from(key, 'hex') } : {}) }, 'response');
    expect(() => caller.receive(answer({ type: HANDSHAKE.conclusion }, blocks), 20_000)).toThrow(want);
  });

  it('does not speak version 4', () => {
    const caller = new CallerHandshake(OPTIONS, () => {}, 0);
    expect(() => caller.receive(answer({ version: 4, extension: 2 }), 1)).toThrow('ERR_SRT_VERSION');
  });
});
