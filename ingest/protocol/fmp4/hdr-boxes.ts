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
