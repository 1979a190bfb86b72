import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../protocol-error.ts';
import { fourCcNumber } from './four-cc.ts';
import { encodeVideoTag, parseVideoTag, type VideoPart, type VideoTag } from './video-tag.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const ascii = (text: string): string => Buffer.from(text, 'latin1').toString('hex');
const part = (codec: VideoPart['codec'], data: string, over: Partial<VideoPart> = {}): VideoPart => ({
  trackId: 0,
  codec,
  compositionMs: 0,
  data: hex(data),
  ...over,
});
const tag = (over: Partial<VideoTag>): VideoTag => ({
  isEnhanced: true,
  frameType: 1,
  packet: 'codedFrames',
  nanos: 0,
  multitrack: undefined,
  parts: [],
  ...over,
});

interface Case {
  readonly name: string;
  readonly body: string;
  readonly tag: VideoTag;
  /** One of several encodings of the same tag, not the one we write. */
  readonly onlyDecoded?: true;
}

const avc1 = ascii('avc1');
const hvc1 = ascii('hvc1');
const av01 = ascii('av01');
const vp09 = ascii('vp09');

const CASES: readonly Case[] = [
  {
    name: 'legacy AVC sequence header',
    body: '17 00 000000 0164',
    tag: tag({ isEnhanced: false, packet: 'sequenceStart', parts: [part('avc1', '0164')] }),
  },
  {
    name: 'legacy AVC frame with a composition time',
    body: '27 01 000050 0065',
    tag: tag({ isEnhanced: false, frameType: 2, parts: [part('avc1', '0065', { compositionMs: 80 })] }),
  },
  {
    name: 'composition time is signed: -34, as x264 with B-pyramids sends it',
    body: '27 01 ffffde 0065',
    tag: tag({ isEnhanced: false, frameType: 2, parts: [part('avc1', '0065', { compositionMs: -34 })] }),
  },
  {
    name: 'legacy end of sequence',
    body: '17 02 000000',
    tag: tag({ isEnhanced: false, packet: 'sequenceEnd', parts: [part('avc1', '')] }),
  },
  {
    name: 'legacy end of sequence without a composition time',
    body: '17 02',
    tag: tag({ isEnhanced: false, packet: 'sequenceEnd', parts: [part('avc1', '')] }),
    onlyDecoded: true,
  },
  {
    name: 'private codec id 12: HEVC',
    body: '1c 01 000001 26',
    tag: tag({ isEnhanced: false, parts: [part('hvc1', '26', { compositionMs: 1 })] }),
  },
  {
    name: 'private codec id 13: AV1',
    body: '1d 00 000000 81',
    tag: tag({ isEnhanced: false, packet: 'sequenceStart', parts: [part('av01', '81')] }),
  },
  {
    name: 'Sorenson H.263, disposable',
    body: '32 0000840a',
    tag: tag({ isEnhanced: false, frameType: 3, parts: [part('flv-video-2', '0000840a')] }),
  },
  {
    name: 'VP6 with alpha',
    body: '15 00aa',
    tag: tag({ isEnhanced: false, parts: [part('flv-video-5', '00aa')] }),
  },
  {
    name: 'legacy seek command',
    body: '57 00',
    tag: tag({ isEnhanced: false, frameType: 5, packet: 'command' }),
    onlyDecoded: true,
  },
  {
    name: 'HEVC sequence start',
    body: `90 ${hvc1} 01`,
    tag: tag({ packet: 'sequenceStart', parts: [part('hvc1', '01')] }),
  },
  {
    name: 'HEVC coded frames with a negative composition time',
    body: `a1 ${hvc1} ffffff 0026`,
    tag: tag({ frameType: 2, parts: [part('hvc1', '0026', { compositionMs: -1 })] }),
  },
  {
    name: 'HEVC coded frames without a composition time',
    body: `93 ${hvc1} 0026`,
    tag: tag({ packet: 'codedFramesX', parts: [part('hvc1', '0026')] }),
  },
  {
    name: 'AV1 coded frames have no composition time',
    body: `91 ${av01} 0a0b0000`,
    tag: tag({ parts: [part('av01', '0a0b0000')] }),
  },
  {
    name: 'AV1 as CodedFramesX, which the specification has for NAL codecs only',
    body: `93 ${av01} 0a0b`,
    tag: tag({ packet: 'codedFramesX', parts: [part('av01', '0a0b')] }),
  },
  { name: 'VP9 coded frames', body: `a1 ${vp09} 86`, tag: tag({ frameType: 2, parts: [part('vp09', '86')] }) },
  { name: 'VP8 coded frames', body: `91 ${ascii('vp08')} 10`, tag: tag({ parts: [part('vp08', '10')] }) },
  {
    name: 'VVC coded frames have a composition time',
    body: `91 ${ascii('vvc1')} 000028 0039`,
    tag: tag({ parts: [part('vvc1', '0039', { compositionMs: 40 })] }),
  },
  { name: 'end of sequence', body: `92 ${hvc1}`, tag: tag({ packet: 'sequenceEnd', parts: [part('hvc1', '')] }) },
  {
    name: 'HDR metadata with frame type 0, as OBS sends it',
    body: `84 ${hvc1} 020009`,
    tag: tag({ frameType: 0, packet: 'metadata', parts: [part('hvc1', '020009')] }),
  },
  {
    name: 'MPEG-2 TS sequence start',
    body: `95 ${av01} 80`,
    tag: tag({ packet: 'mpeg2tsSequenceStart', parts: [part('av01', '80')] }),
  },
  {
    name: 'enhanced seek command',
    body: 'd1 00',
    tag: tag({ frameType: 5, packet: 'command' }),
    onlyDecoded: true,
  },
  {
    name: 'ModEx: nanosecond offset',
    body: `97 02 0f423f 01 ${av01} 0a`,
    tag: tag({ nanos: 999_999, parts: [part('av01', '0a')] }),
  },
  {
    name: 'ModEx: an offset of a millisecond and more is none',
    body: `97 02 0f4240 01 ${av01} 0a`,
    tag: tag({ parts: [part('av01', '0a')] }),
    onlyDecoded: true,
  },
  {
    name: 'ModEx: twice, of an unknown type first',
    body: `97 00 aa f7 02 000001 01 ${av01} 0a`,
    tag: tag({ nanos: 1, parts: [part('av01', '0a')] }),
    onlyDecoded: true,
  },
  {
    name: 'ModEx of 255 bytes, the last size of one byte',
    body: `97 fe ${'00'.repeat(254)}05 11 ${av01} 0a`,
    tag: tag({ parts: [part('av01', '0a')] }),
    onlyDecoded: true,
  },
  {
    name: 'ModEx of 256 bytes, the first size of three bytes',
    body: `97 ff 00ff 000007 ${'00'.repeat(253)} 01 ${av01} 0a`,
    tag: tag({ nanos: 7, parts: [part('av01', '0a')] }),
    onlyDecoded: true,
  },
  {
    name: 'ModEx of 65,536 bytes, the largest',
    body: `97 ff ffff ${'00'.repeat(65_536)} 01 ${av01} 0a`,
    tag: tag({ parts: [part('av01', '0a')] }),
    onlyDecoded: true,
  },
  {
    name: 'multitrack, one track: OBS, second video track',
    body: `96 00 ${avc1} 01 0164`,
    tag: tag({ packet: 'sequenceStart', multitrack: 'one', parts: [part('avc1', '0164', { trackId: 1 })] }),
  },
  {
    name: 'multitrack, many tracks of one codec, one of them empty',
    body: `96 11 ${hvc1} 00 000005 000050 aabb 07 000000`,
    tag: tag({
      multitrack: 'many',
      parts: [part('hvc1', 'aabb', { compositionMs: 80 }), part('hvc1', '', { trackId: 7 })],
    }),
  },
  {
    name: 'multitrack, many codecs, behind a nanosecond offset',
    body: `a7 02 000002 06 21 ${avc1} 00 000004 fffffe aa ${av01} ff 000002 bbcc`,
    tag: tag({
      frameType: 2,
      nanos: 2,
      multitrack: 'manyCodecs',
      parts: [part('avc1', 'aa', { compositionMs: -2 }), part('av01', 'bbcc', { trackId: 255 })],
    }),
  },
  {
    name: 'multitrack HDR metadata with frame type 0, as OBS sends it',
    body: `86 04 ${hvc1} 02 020009`,
    tag: tag({ frameType: 0, packet: 'metadata', multitrack: 'one', parts: [part('hvc1', '020009', { trackId: 2 })] }),
  },
  {
    name: 'a FourCC that nobody defined is left to the caller',
    body: `96 20 ${ascii('wxyz')} 00 000001 aa ${vp09} 01 000001 bb`,
    tag: tag({
      packet: 'sequenceStart',
      multitrack: 'manyCodecs',
      parts: [part(undefined, 'aa'), part('vp09', 'bb', { trackId: 1 })],
    }),
    onlyDecoded: true,
  },
];

describe('parseVideoTag', () => {
  it.each(CASES)('$name', ({ body, tag }) => {
    expect(parseVideoTag(hex(body))).toEqual(tag);
  });

  it.each([
    ['nothing', '', 'ERR_FLV_TRUNCATED'],
    ['AVC without a packet type', '17', 'ERR_FLV_TRUNCATED'],
    ['AVC without a composition time', '1701 0000', 'ERR_FLV_TRUNCATED'],
    ['AVC packet type 3', '1703 000000', 'ERR_FLV_UNSUPPORTED'],
    ['codec id 0, from a drone', '10 aabb', 'ERR_FLV_UNSUPPORTED'],
    ['codec id 15, from a drone', '1f aabb', 'ERR_FLV_UNSUPPORTED'],
    ['half a FourCC', '91 6176', 'ERR_FLV_TRUNCATED'],
    ['a composition time of two bytes', `91 ${hvc1} 0000`, 'ERR_FLV_TRUNCATED'],
    ['packet type 8', `98 ${hvc1}`, 'ERR_FLV_UNSUPPORTED'],
    ['ModEx longer than the message', '97 05 0000', 'ERR_FLV_TRUNCATED'],
    ['ModEx that ends behind its data', '97 00 00', 'ERR_FLV_TRUNCATED'],
    ['multitrack in multitrack', `96 06 ${hvc1}`, 'ERR_FLV_MULTITRACK'],
    ['ModEx in multitrack', `96 07 ${hvc1}`, 'ERR_FLV_MULTITRACK'],
    ['multitrack layout 3', `96 31 ${hvc1}`, 'ERR_FLV_MULTITRACK'],
    ['multitrack without tracks', `96 11 ${hvc1}`, 'ERR_FLV_TRUNCATED'],
    ['a track longer than the message', `96 11 ${hvc1} 00 000005 00`, 'ERR_FLV_TRUNCATED'],
    ['257 tracks', `96 10 ${hvc1} ${'00000000'.repeat(257)}`, 'ERR_FLV_MULTITRACK'],
  ])('refuses %s', (_, body, code) => {
    expect(() => parseVideoTag(hex(body))).toThrow(expect.objectContaining({ code, action: 'skip' }));
  });

  it('copies nothing', () => {
    const body = hex(`96 11 ${hvc1} 00 000005 000050 aabb`);
    const { data } = parseVideoTag(body).parts[0]!;
    body[body.length - 1] = 0x11;
    expect(data.toString('hex')).toBe('aa11');
  });

  it('answers any bytes with a tag or a ProtocolError', () => {
    const anyBody = fc
      .tuple(fc.nat(255), fc.uint8Array({ maxLength: 60 }))
      .map(([first, rest]) => Buffer.from([first, ...rest]));
    fc.assert(
      fc.property(anyBody, (body) => {
        try {
          const { parts } = parseVideoTag(body);
          const bytes = parts.reduce((sum, { data }) => sum + data.length, 0);
          expect(bytes).toBeLessThan(Math.max(body.length, 1));
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe('encodeVideoTag', () => {
  it.each(CASES.filter(({ onlyDecoded }) => !onlyDecoded))('$name', ({ body, tag }) => {
    expect(encodeVideoTag(tag).toString('hex')).toBe(hex(body).toString('hex'));
  });

  it('is undone by parsing', () => {
    const data = fc.uint8Array({ minLength: 1, maxLength: 20 }).map((bytes) => Buffer.from(bytes));
    const anyPart = fc.record({
      trackId: fc.nat(255),
      codec: fc.constantFrom('avc1', 'hvc1', 'vvc1', 'av01', 'vp09', 'vp08'),
      compositionMs: fc.integer({ min: -(2 ** 23), max: 2 ** 23 - 1 }),
      data,
    });
    const anyTag = fc
      .record({
        isEnhanced: fc.constant(true),
        frameType: fc.constantFrom(1, 2, 3, 4),
        packet: fc.constantFrom('sequenceStart', 'codedFrames', 'codedFramesX', 'metadata'),
        nanos: fc.nat(999_999),
        multitrack: fc.constantFrom(undefined, 'one', 'many', 'manyCodecs'),
        parts: fc.array(anyPart, { minLength: 1, maxLength: 5 }),
      })
      .map((value) => {
        const count = value.multitrack === undefined || value.multitrack === 'one' ? 1 : value.parts.length;
        const parts = value.parts.slice(0, count).map((each): VideoPart => {
          const codec = value.multitrack === 'many' ? value.parts[0]!.codec : each.codec;
          const isTimed = value.packet === 'codedFrames' && ['avc1', 'hvc1', 'vvc1'].includes(codec);
          const compositionMs = isTimed ? each.compositionMs : 0;
          return {
            ...each,
            codec,
            compositionMs,
            trackId: value.multitrack === undefined ? 0 : each.trackId,
          } as VideoPart;
        });
        return { ...value, parts } as VideoTag;
      });
    fc.assert(
      fc.property(anyTag, (value) => {
        expect(parseVideoTag(encodeVideoTag(value))).toEqual(value);
      }),
    );
  });
});

describe('fourCcNumber', () => {
  it.each([
    ['avc1', 0x61766331],
    ['hvc1', 1752589105],
    ['av01', 1635135537],
    ['Opus', 1332770163],
  ])('%s is %d', (text, number) => {
    expect(fourCcNumber(text)).toBe(number);
  });
});
