import { beforeEach, describe, expect, it } from 'vitest';
import { type KeyRefresh, SessionKeys } from './connection-keys.ts';
import { agreeOnKeys, offerKeys } from './key-agreement.ts';
import { deriveKek, encodeKeyMessage } from './key-material.ts';
import { KEY, keyOf, setKey, writeDataHeader } from './packet.ts';

const PASSPHRASE = 'a passphrase of a path';
const REFRESH: KeyRefresh = { afterPackets: 100, preAnnouncePackets: 20 };
const RTT_US = 40_000;

async function pair(mode: 'ctr' | 'gcm', keyLength: 16 | 24 | 32 = 16, refresh = REFRESH) {
  const offer = await offerKeys({ passphrase: PASSPHRASE, keyLength, mode }, refresh);
  const policy = { encryption: 'Required' as const, passphrases: [{ passphrase: PASSPHRASE }] };
  const agreed = await agreeOnKeys({ keyMessage: offer.message, version: 0x01_05_04 }, policy, refresh);
  return { caller: offer.keys, listener: agreed?.keys as SessionKeys };
}

function packet(keys: SessionKeys, sequence: number): Buffer {
  const datagram = Buffer.alloc(16 + 188 + keys.overheadBytes, sequence);
  writeDataHeader(datagram, sequence, 1, sequence, 3);
  keys.encrypt(datagram);
  return datagram;
}

/** Answer to a key request that can be given at once. */
function answerOf(keys: SessionKeys, body: Buffer): Buffer {
  const answers: Buffer[] = [];
  keys.receiveKeyRequest(body, (answer) => answers.push(answer));
  expect(answers).toHaveLength(1);
  return answers[0] as Buffer;
}

describe.each(['ctr', 'gcm'] as const)('keys of a connection, %s', (mode) => {
  let caller: SessionKeys;
  let listener: SessionKeys;
  beforeEach(async () => {
    ({ caller, listener } = await pair(mode));
  });

  it('turn in both directions, each by itself, and every packet can be read', () => {
    for (const [from, to, turns] of [
      [caller, listener, 6],
      [listener, caller, 4],
    ] as const) {
      const parities: number[] = [];
      for (let sequence = 0; sequence < turns * 100; sequence += 1) {
        const request = from.keyRequestDue(sequence * 1000, RTT_US);
        if (request) from.receiveKeyResponse(answerOf(to, request));
        const datagram = packet(from, sequence);
        if (parities.at(-1) !== keyOf(datagram)) parities.push(keyOf(datagram));
        expect(to.decrypt(datagram)).toEqual(Buffer.alloc(188, sequence));
      }
      expect(parities).toEqual([KEY.even, KEY.odd, KEY.even, KEY.odd, KEY.even, KEY.odd].slice(0, turns));
    }
  });

  it('still read packets of the key before, sent again after the turn', () => {
    const late: Buffer[] = [];
    for (let sequence = 0; sequence < 150; sequence += 1) {
      const request = caller.keyRequestDue(sequence * 1000, RTT_US);
      if (request) caller.receiveKeyResponse(answerOf(listener, request));
      const datagram = packet(caller, sequence);
      if (sequence >= 90 && sequence < 100) late.push(datagram);
      else expect(listener.decrypt(datagram)).toEqual(Buffer.alloc(188, sequence));
    }
    for (const [i, datagram] of late.entries()) expect(listener.decrypt(datagram)).toEqual(Buffer.alloc(188, 90 + i));
  });

  it('are announced again until they are confirmed, and not used before', () => {
    for (let sequence = 0; sequence < 79; sequence += 1) packet(caller, sequence);
    expect(caller.keyRequestDue(0, RTT_US)).toBeUndefined();
    packet(caller, 79);
    const announcedAt: number[] = [];
    let request: Buffer | undefined;
    for (let now = 0; now < 3_000_000; now += 10_000) {
      const due = caller.keyRequestDue(now, RTT_US);
      if (due) announcedAt.push(now / 1000);
      request = due ?? request;
    }
    expect(announcedAt.slice(0, 10)).toEqual([0, 60, 120, 180, 240, 300, 360, 420, 480, 540]);
    expect(announcedAt.slice(10)).toEqual([1540, 2540]);
    for (let sequence = 80; sequence < 200; sequence += 1) expect(keyOf(packet(caller, sequence))).toBe(KEY.even);
    caller.receiveKeyResponse(Buffer.from('04000000', 'hex'));
    expect(keyOf(packet(caller, 200))).toBe(KEY.even);
    caller.receiveKeyResponse(answerOf(listener, request as Buffer));
    const turned = packet(caller, 201);
    expect(keyOf(turned)).toBe(KEY.odd);
    expect(listener.decrypt(turned)).toEqual(Buffer.alloc(188, 201));
  });

  it('cannot read what is clear, or has both marks, or a key that never came', () => {
    for (const kk of [KEY.clear, 3, KEY.odd]) {
      const datagram = packet(caller, 1);
      setKey(datagram, kk);
      expect(listener.decrypt(datagram)).toBeUndefined();
    }
  });
});

describe('key requests', () => {
  it('of a peer that draws a new salt are answered once its key is derived', async () => {
    const { listener } = await pair('ctr');
    const salt = Buffer.alloc(16, 9);
    const kek = await deriveKek(PASSPHRASE, salt, 16);
    const even = Buffer.alloc(16, 5);
    const body = encodeKeyMessage('ctr', salt, kek, { even });
    const answer = await new Promise<Buffer>((resolve) => listener.receiveKeyRequest(body, resolve));
    expect(answer).toEqual(body);
    const secret = { passphrase: PASSPHRASE, mode: 'ctr' as const, keyLength: 16 as const, salt, kek };
    expect(listener.decrypt(packet(new SessionKeys(secret, { even }), 3))).toEqual(Buffer.alloc(188, 3));
    expect(answerOf(listener, body)).toEqual(body);
  });

  it('that cannot be used are answered with one word, and the keys stay', async () => {
    const { caller, listener } = await pair('ctr');
    const other = await offerKeys({ passphrase: 'of somebody else', keyLength: 16, mode: 'ctr' });
    const longer = await offerKeys({ passphrase: PASSPHRASE, keyLength: 32, mode: 'ctr' });
    const gcm = await offerKeys({ passphrase: PASSPHRASE, keyLength: 16, mode: 'gcm' });
    const wrong = await new Promise<Buffer>((resolve) => listener.receiveKeyRequest(other.message, resolve));
    expect(wrong.toString('hex')).toBe('04000000');
    expect(answerOf(listener, longer.message).toString('hex')).toBe('05000000');
    expect(answerOf(listener, gcm.message).toString('hex')).toBe('05000000');
    expect(answerOf(listener, Buffer.alloc(3)).toString('hex')).toBe('04000000');
    expect(listener.decrypt(packet(caller, 1))).toEqual(Buffer.alloc(188, 1));
  });

  it('with ever new salts cost a bounded number of derivations', async () => {
    const { listener } = await pair('ctr');
    const body = encodeKeyMessage('ctr', Buffer.alloc(16), Buffer.alloc(16), { even: Buffer.alloc(16) });
    let answers = 0;
    for (let i = 0; i < 70; i += 1) {
      body.writeUInt32BE(i, 16);
      await new Promise<void>((resolve) => {
        const wait = setTimeout(resolve, 50);
        listener.receiveKeyRequest(body, () => {
          answers += 1;
          clearTimeout(wait);
          resolve();
        });
      });
    }
    expect(answers).toBe(64);
  });
});
