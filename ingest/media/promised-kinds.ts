/** Which kinds of track onMetaData promises. It is often wrong: never the only reason to expect one for long. */
export function promisedKinds(values: ReadonlyMap<string, unknown>): {
  readonly video: boolean;
  readonly audio: boolean;
} {
  return {
    video: isCodecId(values.get('videocodecid')) || isPositive(values.get('width')) || values.get('hasVideo') === true,
    audio:
      isCodecId(values.get('audiocodecid')) ||
      isPositive(values.get('audiosamplerate')) ||
      values.get('hasAudio') === true,
  };
}

/** A number, or a FourCC as text. 0 names PCM, which needs no configuration, or nothing. */
function isCodecId(value: unknown): boolean {
  return typeof value === 'number' ? value > 0 : typeof value === 'string' && value !== '';
}

function isPositive(value: unknown): boolean {
  return typeof value === 'number' && value > 0;
}
