import { describe, expect, it } from 'vitest';
import { encodeHandshake, extensionsOf, HANDSHAKE, parseHandshake } from './handshake-packet.ts';

const HEX =
  '80000000 00000000 00000007 11223344' + // header: handshake, at 7 µs, for socket 11223344
  '00000005 0002 0003 12345678 000005dc 00002000 ffffffff 55667788 0badcafe 0100007f000000000000000000000000';
const VALUE = {
  version: 5,
  encryption: 2,
  extension: 3,
  initialSequence: 0x1234_5678,
  mtu: 1500,
  flowWindow: 8192,
  type: HANDSHAKE.conclusion,
  socketId: 0x5566_7788,
  cookie: 0x0bad_cafe,
};
const TO = { timestamp: 7, destination: 0x1122_3344, address: '127.0.0.1' };

describe('handshake packet', () => {
  it('is written and read as the draft draws it', () => {
    const datagram = encodeHandshake(VALUE, TO, Buffer.from('block'));
    expect(datagram.toString('hex')).toBe(HEX.replaceAll(' ', '') + Buffer.from('block').toString('hex'));
    expect(parseHandshake(datagram)).toEqual(VALUE);
    expect(extensionsOf(datagram).toString()).toBe('block');
  });

  it('tells no address that is not IPv4', () => {
    expect(encodeHandshake(VALUE, { ...TO, address: '::1' }).toString('hex', 48)).toBe('0'.repeat(32));
  });

  it('is not read where it is cut short', () => {
    const datagram = encodeHandshake(VALUE, TO);
    expect(() => parseHandshake(datagram.subarray(0, 63))).toThrow('ERR_SRT_HANDSHAKE');
    expect(parseHandshake(datagram.subarray(0, 64))).toEqual(VALUE);
  });
});
