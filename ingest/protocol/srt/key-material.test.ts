import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../protocol-error.ts';
import {
  deriveKek,
  encodeKeyMessage,
  encodeKeyState,
  KEY_STATE,
  type KeyLength,
  keyStateOf,
  parseKeyMessage,
  unwrapKeys,
} from './key-material.ts';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');

/** Of gosrt's tests, passphrase `foobarfoobar`. */
const VECTORS = [
  {
    keyLength: 16 as KeyLength,
    salt: hex('6c438852715a4d26e0e810b3132ca61f'),
    kek: hex('5db90e4d85cb9640dafa9d13d6444e00'),
    keys: { even: hex('047dc22e7f000be55a25ba56ae2e9180') },
    wrapped: '699ab4eac6b7c66c3a9fa0d6836326c2b294a10764233356',
  },
  {
    keyLength: 16 as KeyLength,
    salt: hex('6c438852715a4d26e0e810b3132ca61f'),
    kek: hex('5db90e4d85cb9640dafa9d13d6444e00'),
    keys: { odd: hex('240c8e76ccf3637641af473edaf15aaf') },
    wrapped: 'ca4decaaf8d7b5c38288e84c8796929c84b7c139f1f769d5',
  },
  {
    keyLength: 16 as KeyLength,
    salt: hex('6c438852715a4d26e0e810b3132ca61f'),
    kek: hex('5db90e4d85cb9640dafa9d13d6444e00'),
    keys: { even: hex('047dc22e7f000be55a25ba56ae2e9180'), odd: hex('240c8e76ccf3637641af473edaf15aaf') },
    wrapped: '5b901889bd106609ca8a83264b12ed1bfab3f02812bad65784ac396b1f57eb16c53e1020d3a3250b',
  },
  {
    keyLength: 24 as KeyLength,
    salt: hex('e636259ccc41e73611b9363bb58586b1'),
    kek: hex('ae7ac3091e7ce84767b8fd32a3903ed24686fb5fe4effeb2'),
    keys: { even: hex('4dca0ad088da64fdc8e98002d141bc46fed4fa0167b931c8') },
    wrapped: '8c6502d6a83e0ab894a43cb5b37b71c2755afc64a682bed9d46912138b60f384',
  },
  {
    keyLength: 32 as KeyLength,
    salt: hex('3825bb4163f7d5cf2804ec0b31a7370f'),
    kek: hex('252f10ed424544aa70980384ebb9485d8b2d201b01973ec9fd004b6d8caab8d4'),
    keys: { even: hex('53a088d93431181075f8a9bc4876359afe48967308120c93f97bbd823d8de62a') },
    wrapped: '7d1578458e41680dd997d1a185c75753f3344c6711542b35833f881f7c480304cbe9bdbe76035914',
  },
];

describe('key message', () => {
  it.each(VECTORS)('AES-$keyLength bytes: derives, wraps and unwraps as gosrt does', async (vector) => {
    const { keyLength, salt, kek, keys, wrapped } = vector;
    expect(await deriveKek('foobarfoobar', salt, keyLength)).toEqual(kek);
    const body = encodeKeyMessage('ctr', salt, kek, keys);
    const kk = (keys.even ? 1 : 0) | (keys.odd ? 2 : 0);
    expect(body.toString('hex')).toBe(
      `1220290${kk}00000000020002000000040${keyLength / 4}${salt.toString('hex')}${wrapped}`,
    );
    const message = parseKeyMessage(body);
    expect(message).toMatchObject({ mode: 'ctr', keyLength, salt, hasEven: 'even' in keys, hasOdd: 'odd' in keys });
    expect(unwrapKeys(message, kek)).toEqual(keys);
    expect(unwrapKeys(message, Buffer.from(kek).reverse())).toBeUndefined();
  });

  it('says AES-GCM in two fields', () => {
    const { salt, kek, keys } = VECTORS[0] as (typeof VECTORS)[0];
    const body = encodeKeyMessage('gcm', salt, kek, keys);
    expect([body[8], body[9]]).toEqual([4, 1]);
    expect(parseKeyMessage(body).mode).toBe('gcm');
  });

  const { salt, kek, keys } = VECTORS[2] as (typeof VECTORS)[2];
  const whole = encodeKeyMessage('ctr', salt, kek, keys);
  it.each([
    { name: 'another signature', at: 1, to: 0x21, want: 'ERR_SRT_KEY_MESSAGE' },
    { name: 'no key at all', at: 3, to: 0, want: 'ERR_SRT_KEY_MESSAGE' },
    { name: 'one key announced, two there', at: 3, to: 1, want: 'ERR_SRT_KEY_MESSAGE' },
    { name: 'no cipher', at: 8, to: 0, want: 'ERR_SRT_CRYPTO_MODE' },
    { name: 'an unknown cipher', at: 8, to: 3, want: 'ERR_SRT_CRYPTO_MODE' },
    { name: 'CTR that claims a tag', at: 9, to: 1, want: 'ERR_SRT_KEY_MESSAGE' },
    { name: 'GCM that claims none', at: 8, to: 4, want: 'ERR_SRT_KEY_MESSAGE' },
    { name: 'a short salt', at: 14, to: 2, want: 'ERR_SRT_KEY_MESSAGE' },
    { name: 'keys of 20 bytes', at: 15, to: 5, want: 'ERR_SRT_KEY_MESSAGE' },
    { name: 'keys longer than the message', at: 15, to: 8, want: 'ERR_SRT_KEY_MESSAGE' },
  ])('refuses $name', ({ at, to, want }) => {
    const body = Buffer.from(whole);
    body[at] = to;
    expect(() => parseKeyMessage(body)).toThrow(want);
  });

  it('refuses every shorter one, and whatever bytes come gives keys or a coded error', () => {
    for (let length = 0; length < whole.length; length += 1) {
      expect(() => parseKeyMessage(whole.subarray(0, length))).toThrow('ERR_SRT_KEY_MESSAGE');
    }
    const edits = fc.array(fc.tuple(fc.integer({ min: 0, max: whole.length - 1 }), fc.integer({ min: 0, max: 255 })));
    fc.assert(
      fc.property(edits, (changes) => {
        const body = Buffer.from(whole);
        for (const [at, to] of changes) body[at] = to;
        try {
          unwrapKeys(parseKeyMessage(body), kek);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
    );
  });
});

describe('key state', () => {
  it('is written as libsrt does and read in both byte orders', () => {
    expect(encodeKeyState(KEY_STATE.noSecret).toString('hex')).toBe('03000000');
    expect(keyStateOf(hex('04000000'))).toBe(KEY_STATE.badSecret);
    expect(keyStateOf(hex('00000004'))).toBe(KEY_STATE.badSecret);
    expect(keyStateOf(whole())).toBeUndefined();
  });
  const whole = (): Buffer => encodeKeyMessage('ctr', VECTORS[0]!.salt, VECTORS[0]!.kek, VECTORS[0]!.keys);
});
