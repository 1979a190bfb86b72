import { createCipheriv } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { overheadOf, payloadCipher } from './cipher.ts';
import type { CipherMode } from './key-material.ts';
import { KEY, setKey, setRetransmitted, writeDataHeader } from './packet.ts';

const SALT = Buffer.from('6c438852715a4d26e0e810b3132ca61f', 'hex');
const EVEN_128 = Buffer.from('047dc22e7f000be55a25ba56ae2e9180', 'hex');
const PLAIN = Buffer.from('47410011000001e00000808005211651', 'hex');
const SEQUENCE = 0x79ee_189e;

/** A packet of message 1 at time 0x164 for socket 0x12345678 with room for a tag. */
function packet(payload: Buffer, sequence: number, mode: CipherMode): Buffer {
  const datagram = Buffer.alloc(16 + payload.length + overheadOf(mode));
  writeDataHeader(datagram, sequence, 1, 0x164, 0x1234_5678);
  setKey(datagram, KEY.even);
  payload.copy(datagram, 16);
  return datagram;
}

describe('payload cipher', () => {
  it.each([
    { name: 'AES-128-CTR, the vector of gosrt', mode: 'ctr' as const, want: '6053ce41905e451494d156b53c53fc63' },
    {
      name: 'AES-128-GCM by the rules of 1.5.4',
      mode: 'gcm' as const,
      want: '596130403f44a8217645fb07d3a4e1389deaf4f2dead931b29b6bc4f56a6e147',
    },
  ])('$name', ({ mode, want }) => {
    const datagram = packet(PLAIN, SEQUENCE, mode);
    const header = datagram.toString('hex', 0, 16);
    const cipher = payloadCipher(mode, EVEN_128, SALT);
    cipher.encrypt(datagram);
    expect(datagram.toString('hex', 16)).toBe(want);
    expect(datagram.toString('hex', 0, 16)).toBe(header);
    expect(cipher.decrypt(datagram)).toEqual(PLAIN);
  });

  it('makes the bytes of AES-CTR for every length, wherever the datagram lies in memory', () => {
    const length = fc.integer({ min: 0, max: 1456 });
    const sequence = fc.integer({ min: 0, max: 0x7fff_ffff });
    const bytes = (size: number) => fc.uint8Array({ minLength: size, maxLength: size }).map((b) => Buffer.from(b));
    const key = fc.constantFrom(16, 24, 32).chain(bytes);
    fc.assert(
      fc.property(length, sequence, fc.integer({ min: 0, max: 3 }), key, bytes(16), (size, number, shift, k, salt) => {
        const payload = Buffer.alloc(size, number);
        const iv = Buffer.alloc(16);
        iv.writeUInt32BE(number, 10);
        for (let i = 0; i < 14; i += 1) iv[i] = (iv[i] as number) ^ (salt[i] as number);
        const made = packet(payload, number, 'ctr');
        const datagram = Buffer.alloc(shift + made.length).subarray(shift);
        made.copy(datagram);
        const cipher = payloadCipher('ctr', k, salt);
        cipher.encrypt(datagram);
        expect(datagram.subarray(16)).toEqual(createCipheriv(`aes-${k.length * 8}-ctr`, k, iv).update(payload));
        expect(cipher.decrypt(datagram)).toEqual(payload);
      }),
    );
  });

  it('opens a GCM packet that was sent again', () => {
    const datagram = packet(PLAIN, SEQUENCE, 'gcm');
    const cipher = payloadCipher('gcm', EVEN_128, SALT);
    cipher.encrypt(datagram);
    setRetransmitted(datagram);
    expect(cipher.decrypt(datagram)).toEqual(PLAIN);
  });

  it.each([
    { name: 'header', at: 9 },
    { name: 'payload', at: 20 },
    { name: 'tag', at: 40 },
  ])('does not open a GCM packet whose $name was changed', ({ at }) => {
    const datagram = packet(PLAIN, SEQUENCE, 'gcm');
    const cipher = payloadCipher('gcm', EVEN_128, SALT);
    cipher.encrypt(datagram);
    datagram[at] = (datagram[at] as number) ^ 1;
    expect(cipher.decrypt(datagram)).toBeUndefined();
  });

  it('takes no payload that is too long or has no tag', () => {
    expect(payloadCipher('ctr', EVEN_128, SALT).decrypt(Buffer.alloc(16 + 1457))).toBeUndefined();
    expect(payloadCipher('gcm', EVEN_128, SALT).decrypt(Buffer.alloc(16 + 15))).toBeUndefined();
    expect(() => payloadCipher('ctr', EVEN_128, SALT).encrypt(Buffer.alloc(16 + 1457))).toThrow(RangeError);
  });

  it('leaves an empty payload as it is', () => {
    expect(payloadCipher('ctr', EVEN_128, SALT).decrypt(packet(Buffer.alloc(0), 1, 'ctr'))).toEqual(Buffer.alloc(0));
  });
});
