/** Codecs that Enhanced RTMP names by four characters in video messages (E-RTMP v2 §"Enhanced Video"). */
export type VideoFourCc = 'avc1' | 'hvc1' | 'vvc1' | 'av01' | 'vp09' | 'vp08';
/** The same for audio messages (E-RTMP v2 §"Enhanced Audio"). */
export type AudioFourCc = 'mp4a' | 'Opus' | 'fLaC' | 'ac-3' | 'ec-3' | '.mp3';

/** The big-endian number the four ASCII characters make, e.g. 0x61766331 for `avc1`. */
export function fourCcNumber(text: string): number {
  return Buffer.from(text, 'latin1').readUInt32BE(0);
}

const VIDEO = new Map<number, VideoFourCc>(
  (['avc1', 'hvc1', 'vvc1', 'av01', 'vp09', 'vp08'] as const).map((text) => [fourCcNumber(text), text]),
);
const AUDIO = new Map<number, AudioFourCc>(
  (['mp4a', 'Opus', 'fLaC', 'ac-3', 'ec-3', '.mp3'] as const).map((text) => [fourCcNumber(text), text]),
);

/** The video FourCC with this number; undefined where Enhanced RTMP defines none. */
export function videoFourCc(number: number): VideoFourCc | undefined {
  return VIDEO.get(number);
}

/** The audio FourCC with this number; undefined where Enhanced RTMP defines none. */
export function audioFourCc(number: number): AudioFourCc | undefined {
  return AUDIO.get(number);
}

/** Whether coded frames of this video codec carry a composition time: only those of the codecs with NAL units do. */
export function hasCompositionTime(fourCc: VideoFourCc): boolean {
  return fourCc === 'avc1' || fourCc === 'hvc1' || fourCc === 'vvc1';
}
