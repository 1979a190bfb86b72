import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../protocol-error.ts';
import { type AudioPart, type AudioTag, encodeAudioTag, parseAudioTag } from './audio-tag.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const ascii = (text: string): string => Buffer.from(text, 'latin1').toString('hex');
const part = (codec: AudioPart['codec'], data: string, trackId = 0): AudioPart => ({ trackId, codec, data: hex(data) });
const tag = (over: Partial<AudioTag>): AudioTag => ({
  legacyByte: undefined,
  packet: 'codedFrames',
  nanos: 0,
  multitrack: undefined,
  parts: [],
  ...over,
});

interface Case {
  readonly name: string;
  readonly body: string;
  readonly tag: AudioTag;
  /** One of several encodings of the same tag, not the one we write. */
  readonly onlyDecoded?: true;
}

const mp4a = ascii('mp4a');
const opus = ascii('Opus');

const CASES: readonly Case[] = [
  {
    name: 'AAC sequence header',
    body: 'af 00 1190',
    tag: tag({ legacyByte: 0xaf, packet: 'sequenceStart', parts: [part('mp4a', '1190')] }),
  },
  {
    name: 'empty AAC sequence header',
    body: 'af 00',
    tag: tag({ legacyByte: 0xaf, packet: 'sequenceStart', parts: [part('mp4a', '')] }),
  },
  { name: 'AAC frame', body: 'af 01 21', tag: tag({ legacyByte: 0xaf, parts: [part('mp4a', '21')] }) },
  { name: 'MP3', body: '2f fffb', tag: tag({ legacyByte: 0x2f, parts: [part('.mp3', 'fffb')] }) },
  { name: 'MP3 at 8 kHz', body: 'e2 ffe3', tag: tag({ legacyByte: 0xe2, parts: [part('.mp3', 'ffe3')] }) },
  { name: 'private format 13: Opus', body: 'df fc', tag: tag({ legacyByte: 0xdf, parts: [part('Opus', 'fc')] }) },
  { name: 'Speex', body: 'b2 3d', tag: tag({ legacyByte: 0xb2, parts: [part('flv-audio-11', '3d')] }) },
  { name: 'A-law', body: '72 d5', tag: tag({ legacyByte: 0x72, parts: [part('flv-audio-7', 'd5')] }) },
  { name: 'PCM of one byte', body: '00', tag: tag({ legacyByte: 0, parts: [part('flv-audio-0', '')] }) },
  {
    name: 'empty Opus sequence start',
    body: `90 ${opus}`,
    tag: tag({ packet: 'sequenceStart', parts: [part('Opus', '')] }),
  },
  { name: 'Opus frame', body: `91 ${opus} fc`, tag: tag({ parts: [part('Opus', 'fc')] }) },
  {
    name: 'FLAC sequence start',
    body: `90 ${ascii('fLaC')} 664c6143`,
    tag: tag({ packet: 'sequenceStart', parts: [part('fLaC', '664c6143')] }),
  },
  { name: 'AC-3 frame', body: `91 ${ascii('ac-3')} 0b77`, tag: tag({ parts: [part('ac-3', '0b77')] }) },
  { name: 'E-AC-3 frame', body: `91 ${ascii('ec-3')} 0b77`, tag: tag({ parts: [part('ec-3', '0b77')] }) },
  { name: 'MP3 with a FourCC', body: `91 ${ascii('.mp3')} fffb`, tag: tag({ parts: [part('.mp3', 'fffb')] }) },
  {
    name: 'end of sequence is packet type 2',
    body: `92 ${opus}`,
    tag: tag({ packet: 'sequenceEnd', parts: [part('Opus', '')] }),
  },
  {
    name: 'multichannel layout is packet type 4',
    body: `94 ${mp4a} 01 06 0000003f`,
    tag: tag({ packet: 'multichannelConfig', parts: [part('mp4a', '01060000003f')] }),
  },
  {
    name: 'multitrack is packet type 5: OBS, second audio track',
    body: `95 01 ${mp4a} 01 21`,
    tag: tag({ multitrack: 'one', parts: [part('mp4a', '21', 1)] }),
  },
  {
    name: 'many tracks of one codec, one of them empty',
    body: `95 11 ${mp4a} 01 000000 02 000002 aabb`,
    tag: tag({ multitrack: 'many', parts: [part('mp4a', '', 1), part('mp4a', 'aabb', 2)] }),
  },
  {
    name: 'many codecs behind a nanosecond offset',
    body: `97 02 000309 05 21 ${mp4a} 00 000001 aa ${opus} 01 000001 bb`,
    tag: tag({ nanos: 777, multitrack: 'manyCodecs', parts: [part('mp4a', 'aa'), part('Opus', 'bb', 1)] }),
  },
  {
    name: 'a FourCC that nobody defined is left to the caller',
    body: `91 ${ascii('wxyz')} aa`,
    tag: tag({ parts: [part(undefined, 'aa')] }),
    onlyDecoded: true,
  },
];

describe('parseAudioTag', () => {
  it.each(CASES)('$name', ({ body, tag }) => {
    expect(parseAudioTag(hex(body))).toEqual(tag);
  });

  it.each([
    ['nothing', '', 'ERR_FLV_TRUNCATED'],
    ['AAC without a packet type', 'af', 'ERR_FLV_TRUNCATED'],
    ['AAC packet type 2', 'af02', 'ERR_FLV_UNSUPPORTED'],
    ['sound format 15, from a drone', 'ff0001', 'ERR_FLV_UNSUPPORTED'],
    ['sound format 12', 'c00001', 'ERR_FLV_UNSUPPORTED'],
    ['packet type 3', `93 ${opus}`, 'ERR_FLV_UNSUPPORTED'],
    ['packet type 6, multitrack in video only', `96 01 ${opus} 01`, 'ERR_FLV_UNSUPPORTED'],
    ['multitrack in multitrack', `95 05 ${opus}`, 'ERR_FLV_MULTITRACK'],
    ['half a FourCC', '91 4f70', 'ERR_FLV_TRUNCATED'],
    ['ModEx without an end', '97 ff ff', 'ERR_FLV_TRUNCATED'],
  ])('refuses %s', (_, body, code) => {
    expect(() => parseAudioTag(hex(body))).toThrow(expect.objectContaining({ code, action: 'skip' }));
  });

  it('answers any bytes with a tag or a ProtocolError', () => {
    const anyBody = fc
      .tuple(fc.nat(255), fc.uint8Array({ maxLength: 60 }))
      .map(([first, rest]) => Buffer.from([first, ...rest]));
    fc.assert(
      fc.property(anyBody, (body) => {
        try {
          const { parts } = parseAudioTag(body);
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

describe('encodeAudioTag', () => {
  it.each(CASES.filter(({ onlyDecoded }) => !onlyDecoded))('$name', ({ body, tag }) => {
    expect(encodeAudioTag(tag).toString('hex')).toBe(hex(body).toString('hex'));
  });
});
