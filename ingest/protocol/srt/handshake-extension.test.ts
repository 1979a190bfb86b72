import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Extensions, encodeExtensions, parseExtensions } from './handshake-extension.ts';
import { RefusedHandshake } from './rejection.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const HS = { version: 0x01_05_03, flags: 0xbf, receiveLatencyMs: 120, sendLatencyMs: 200 };
const HS_HEX = '0001 0003 00010503 000000bf 0078 00c8';

interface Case {
  readonly name: string;
  readonly bytes: string;
  readonly value: Pick<Extensions, 'hs' | 'key' | 'streamId'>;
}

/** Written and read. */
const CASES: readonly Case[] = [
  { name: 'the SRT block', bytes: HS_HEX, value: { hs: HS } },
  { name: 'a stream id of whole words', bytes: '0005 0001 6576696c', value: { streamId: 'live' } },
  { name: 'a stream id that is padded', bytes: '0005 0002 6576696c 0000612f', value: { streamId: 'live/a' } },
  {
    name: 'all of them, in the order of libsrt',
    bytes: `${HS_HEX} 0003 0002 0102030405060708 0005 0001 6576696c`,
    value: { hs: HS, key: hex('0102030405060708'), streamId: 'live' },
  },
  { name: 'nothing', bytes: '', value: {} },
];

describe('extension blocks', () => {
  it.each(CASES)('$name', ({ bytes, value }) => {
    expect(parseExtensions(hex(bytes), 'request')).toEqual(value);
    expect(encodeExtensions(value, 'request').toString('hex')).toBe(hex(bytes).toString('hex'));
  });

  it('of a response have types of their own', () => {
    const bytes = encodeExtensions({ hs: HS, key: hex('03000000') }, 'response');
    expect([bytes.readUInt16BE(0), bytes.readUInt16BE(16)]).toEqual([2, 4]);
    expect(parseExtensions(bytes, 'response')).toEqual({ hs: HS, key: hex('03000000') });
    expect(parseExtensions(bytes, 'request')).toEqual({});
  });

  it.each([
    { name: 'live congestion control', bytes: '0006 0001 6576696c', want: { congestion: 'live' } },
    { name: 'file congestion control', bytes: '0006 0001 656c6966', want: { congestion: 'file' } },
    { name: 'a packet filter', bytes: '0007 0001 2c636566', want: { packetFilter: true } },
    { name: 'a group', bytes: '0008 0002 0000000100000000', want: { group: true } },
    { name: 'a type that nobody knows', bytes: '0063 0001 00000000', want: {} },
    { name: 'an empty stream id', bytes: '0005 0000', want: { streamId: '' } },
    { name: 'padding behind the blocks', bytes: `${HS_HEX} 00000000 ffffffff`, want: { hs: HS } },
    { name: 'one to three bytes too many', bytes: `${HS_HEX} 000500`, want: { hs: HS } },
    { name: 'NUL within a stream id', bytes: '0005 0001 62006100', want: { streamId: '\0a\0b' } },
    { name: 'bytes that are not UTF-8', bytes: '0005 0001 000000ff', want: { streamId: '\ufffd' } },
  ])('reads $name', ({ bytes, want }) => {
    expect(parseExtensions(hex(bytes), 'request')).toEqual(want);
  });

  it('takes a stream id of 512 bytes and none of 513', () => {
    const block = (id: string): Buffer => encodeExtensions({ streamId: id }, 'request');
    expect(parseExtensions(block('a'.repeat(512)), 'request')).toEqual({ streamId: 'a'.repeat(512) });
    expect(() => parseExtensions(block('a'.repeat(513)), 'request')).toThrow('ERR_SRT_STREAM_ID');
  });

  it.each([
    { name: 'a block that goes past the end', bytes: '0005 0002 6576696c' },
    { name: 'the longest length there is', bytes: '0005 ffff 6576696c' },
    { name: 'an SRT block of two words', bytes: '0001 0002 00010503000000bf' },
    { name: 'a block that comes twice', bytes: '0005 0001 6576696c 0005 0001 6576696c' },
  ])('refuses $name', ({ bytes }) => {
    expect(() => parseExtensions(hex(bytes), 'request')).toThrow('ERR_SRT_HANDSHAKE');
  });

  it('gives blocks or a coded error, whatever bytes come', () => {
    const block = fc
      .tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 5 }), fc.uint8Array({ maxLength: 24 }))
      .map(([type, words, data]) => Buffer.concat([Buffer.of(0, type, 0, words), data]));
    fc.assert(
      fc.property(fc.array(block, { maxLength: 6 }), (blocks) => {
        try {
          parseExtensions(Buffer.concat(blocks), 'request');
        } catch (error) {
          expect(error).toBeInstanceOf(RefusedHandshake);
        }
      }),
    );
  });
});
