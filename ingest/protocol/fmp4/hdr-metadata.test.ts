import { describe, expect, it } from 'vitest';
import { encodeVideoTag } from '../flv/video-tag.ts';
import type { AmfInput } from '../rtmp/amf-value.ts';
import { encodeAmf0 } from '../rtmp/amf0.ts';
import { hdrOfTag } from './hdr-metadata.ts';

const map = (values: Record<string, AmfInput>): Map<string, AmfInput> => new Map(Object.entries(values));

/** The tag body in which OBS sends it: frame type 0. */
function tagOf(...values: AmfInput[]): Buffer {
  const part = { trackId: 1, codec: 'hvc1', compositionMs: 0, data: encodeAmf0(...values) } as const;
  return encodeVideoTag({
    ...{ isEnhanced: true, frameType: 0, packet: 'metadata', nanos: 0, multitrack: 'one', parts: [part] },
  });
}

const CONFIG = map({ bitDepth: 10, colorPrimaries: 9, transferCharacteristics: 16, matrixCoefficients: 9 });
const MDCV = map({
  ...{ redX: 0.708, redY: 0.292, greenX: 0.17, greenY: 0.797, blueX: 0.131, blueY: 0.046 },
  ...{ whitePointX: 0.3127, whitePointY: 0.329, maxLuminance: 1000, minLuminance: 0.005 },
});

describe('hdrOfTag', () => {
  it('takes all of it', () => {
    const info = map({ colorConfig: CONFIG, hdrCll: map({ maxFall: 400, maxCLL: 1200 }), hdrMdcv: MDCV });
    expect(hdrOfTag(tagOf('colorInfo', info))).toEqual({
      colour: { primaries: 9, transfer: 16, matrix: 9 },
      mastering: {
        ...{ red: [0.708, 0.292], green: [0.17, 0.797], blue: [0.131, 0.046], white: [0.3127, 0.329] },
        ...{ maxLuminance: 1000, minLuminance: 0.005 },
      },
      light: { maxCll: 1200, maxFall: 400 },
    });
  });

  it('leaves out what is missing or no number', () => {
    const broken = new Map(MDCV).set('redX', 'red');
    const info = map({ colorConfig: map({ colorPrimaries: 1 }), hdrMdcv: broken });
    expect(hdrOfTag(tagOf('colorInfo', info))).toEqual({
      colour: { primaries: 1, transfer: 2, matrix: 2 },
    });
  });

  it.each([undefined, null, 'colorInfo', {}, { hdrCll: 3 }, { hdrMdcv: { redX: Number.NaN } }])(
    'makes nothing of colorInfo %j',
    (info) => {
      expect(hdrOfTag(tagOf('colorInfo', info))).toBeUndefined();
    },
  );

  it.each([
    { name: 'another name', body: tagOf('other', { hdrCll: { maxCLL: 1 } }) },
    { name: 'no values', body: tagOf() },
    { name: 'a coded frame', body: Buffer.from('27010000000000', 'hex') },
    { name: 'nothing', body: Buffer.alloc(0) },
  ])('makes nothing of $name', ({ body }) => {
    expect(hdrOfTag(body)).toBeUndefined();
  });
});
