import type { ByteWriter } from '../../bytes/byte-writer.ts';
import { parseVideoTag } from '../flv/video-tag.ts';
import { ProtocolError } from '../protocol-error.ts';
import { parseAmf0Prefix } from '../rtmp/amf0.ts';
import { writeBox } from './boxes.ts';

/** CIE 1931 x and y. */
export type Chromaticity = readonly [x: number, y: number];

/** HDR metadata of a video track, as E-RTMP's `colorInfo` has it; each part may be missing. */
export interface HdrMetadata {
  /** Code points of ISO 23091-2 (`colr`). */
  readonly colour?: {
    readonly primaries: number;
    readonly transfer: number;
    readonly matrix: number;
    readonly fullRange?: boolean;
  };
  /** Mastering display (`mdcv`); luminances in cd/m². */
  readonly mastering?: {
    readonly red: Chromaticity;
    readonly green: Chromaticity;
    readonly blue: Chromaticity;
    readonly white: Chromaticity;
    readonly maxLuminance: number;
    readonly minLuminance: number;
  };
  /** Content light level (`clli`), cd/m². */
  readonly light?: { readonly maxCll: number; readonly maxFall: number };
}

const UNSPECIFIED = 2;
const CHROMATICITIES_PER_UNIT = 50_000;
const LUMINANCES_PER_CANDELA = 10_000;

/** Writes `colr`, `mdcv` and `clli` (ISO 14496-12 §12.1.5 to §12.1.8), each where its values are there. */
export function writeHdrBoxes(writer: ByteWriter, hdr: HdrMetadata): void {
  const { colour, mastering, light } = hdr;
  if (colour !== undefined) {
    writeBox(writer, 'colr', (box) => {
      box.latin1('nclx').u16(colour.primaries).u16(colour.transfer).u16(colour.matrix);
      box.u8(colour.fullRange ? 0x80 : 0);
    });
  }
  if (mastering !== undefined) {
    writeBox(writer, 'mdcv', (box) => {
      for (const [x, y] of [mastering.green, mastering.blue, mastering.red, mastering.white]) {
        box.u16(scaled(x, CHROMATICITIES_PER_UNIT, 0xffff)).u16(scaled(y, CHROMATICITIES_PER_UNIT, 0xffff));
      }
      box.u32(scaled(mastering.maxLuminance, LUMINANCES_PER_CANDELA, 0xffff_ffff));
      box.u32(scaled(mastering.minLuminance, LUMINANCES_PER_CANDELA, 0xffff_ffff));
    });
  }
  if (light !== undefined) {
    writeBox(writer, 'clli', (box) => box.u16(scaled(light.maxCll, 1, 0xffff)).u16(scaled(light.maxFall, 1, 0xffff)));
  }
}

/**
 * HDR metadata out of a video tag body that holds one track's Metadata packet (E-RTMP v2 §"Metadata Frame"): AMF "colorInfo" and an object.
 * Parts that are not numbers are left out; undefined when nothing is left, or the body is something else.
 */
export function hdrOfTag(flvBody: Buffer): HdrMetadata | undefined {
  try {
    const tag = parseVideoTag(flvBody);
    const data = tag.packet === 'metadata' ? tag.parts[0]?.data : undefined;
    const [name, colorInfo] = data === undefined ? [] : parseAmf0Prefix(data).values;
    return name === 'colorInfo' ? hdrOfColorInfo(colorInfo) : undefined;
  } catch (fault) {
    if (fault instanceof ProtocolError) return undefined;
    throw fault;
  }
}

function hdrOfColorInfo(colorInfo: unknown): HdrMetadata | undefined {
  const config = mapOf(mapOf(colorInfo).get('colorConfig'));
  const cll = mapOf(mapOf(colorInfo).get('hdrCll'));
  const mdcv = mapOf(mapOf(colorInfo).get('hdrMdcv'));
  const primaries = numberOf(config, 'colorPrimaries');
  const transfer = numberOf(config, 'transferCharacteristics');
  const matrix = numberOf(config, 'matrixCoefficients');
  const point = (name: string): Chromaticity | undefined => {
    const [x, y] = [numberOf(mdcv, `${name}X`), numberOf(mdcv, `${name}Y`)];
    return x === undefined || y === undefined ? undefined : [x, y];
  };
  const [red, green, blue, white] = [point('red'), point('green'), point('blue'), point('whitePoint')];
  const maxLuminance = numberOf(mdcv, 'maxLuminance');
  const minLuminance = numberOf(mdcv, 'minLuminance');
  const [maxCll, maxFall] = [numberOf(cll, 'maxCLL'), numberOf(cll, 'maxFall')];
  const hasColour = primaries !== undefined || transfer !== undefined || matrix !== undefined;
  const hasMastering = red && green && blue && white && maxLuminance !== undefined && minLuminance !== undefined;
  const hasLight = maxCll !== undefined || maxFall !== undefined;
  if (!hasColour && !hasMastering && !hasLight) return undefined;
  return {
    ...(hasColour && {
      colour: {
        primaries: primaries ?? UNSPECIFIED,
        transfer: transfer ?? UNSPECIFIED,
        matrix: matrix ?? UNSPECIFIED,
      },
    }),
    ...(hasMastering && { mastering: { red, green, blue, white, maxLuminance, minLuminance } }),
    ...(hasLight && { light: { maxCll: maxCll ?? 0, maxFall: maxFall ?? 0 } }),
  };
}

function scaled(value: number, factor: number, most: number): number {
  return Math.max(0, Math.min(most, Math.round(value * factor)));
}

function mapOf(value: unknown): ReadonlyMap<string, unknown> {
  return value instanceof Map ? value : new Map();
}

function numberOf(map: ReadonlyMap<string, unknown>, key: string): number | undefined {
  const value = map.get(key);
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}
