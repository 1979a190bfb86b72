/** What a sequence parameter set, sequence header or key frame says of the picture. */
export interface VideoFormat {
  /** Pixels, after cropping. */
  readonly width: number;
  readonly height: number;
  /** Frames in a second, where the stream declares it. */
  readonly fps?: number;
}
