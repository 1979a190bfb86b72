import { describe, expect, it } from 'vitest';
import { hdrOfColorInfo } from './hdr-metadata.ts';

const map = (values: Record<string, unknown>): Map<string, unknown> => new Map(Object.entries(values));

const CONFIG = map({ bitDepth: 10, colorPrimaries: 9, transferCharacteristics: 16, matrixCoefficients: 9 });
const MDCV = map({
  ...{ redX: 0.708, redY: 0.292, greenX: 0.17, greenY: 0.797, blueX: 0.131, blueY: 0.046 },
  ...{ whitePointX: 0.3127, whitePointY: 0.329, maxLuminance: 1000, minLuminance: 0.005 },
});

describe('hdrOfColorInfo', () => {
  it('takes all of it', () => {
    const info = map({ colorConfig: CONFIG, hdrCll: map({ maxFall: 400, maxCLL: 1200 }), hdrMdcv: MDCV });
    expect(hdrOfColorInfo(info)).toEqual({
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
    expect(hdrOfColorInfo(map({ colorConfig: map({ colorPrimaries: 1 }), hdrMdcv: broken }))).toEqual({
      colour: { primaries: 1, transfer: 2, matrix: 2 },
    });
  });

  it.each([undefined, null, map({}), 'colorInfo', map({ hdrCll: 3 }), map({ hdrMdcv: map({ redX: Number.NaN }) })])(
    'makes nothing of %s',
    (info) => {
      expect(hdrOfColorInfo(info)).toBeUndefined();
    },
  );
});
