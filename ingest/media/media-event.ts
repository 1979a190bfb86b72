/** Ticks of a 90 kHz clock, unwrapped: within one publication and track they never go back. */
export type Ticks = number & { readonly __unit: 'ticks90k' };

/** Ticks in a second, in a millisecond (RTMP's unit). */
export const TICKS_PER_SECOND = 90_000;
export const TICKS_PER_MS = 90;

/** Brands a count of 90 kHz ticks. */
export function ticks(value: number): Ticks {
  return value as Ticks;
}

/** Milliseconds, whole or not, as 90 kHz ticks. */
export function ticksOfMs(ms: number): Ticks {
  return Math.round(ms * TICKS_PER_MS) as Ticks;
}

/** 90 kHz ticks as whole milliseconds, as RTMP and FLV carry them. */
export function msOfTicks(value: Ticks): number {
  return Math.round(value / TICKS_PER_MS);
}

export type VideoCodec = 'h264' | 'h265' | 'h266' | 'av1' | 'vp9' | 'vp8';
export type AudioCodec = 'aac' | 'opus' | 'flac' | 'ac3' | 'eac3' | 'mp3';
/** A codec without a mapping here: passed through to viewers, recorded only as FLV. The text names it, e.g. `flv-audio-11` (Speex). */
export type UnknownCodec = { readonly unknown: string };
export type Codec = VideoCodec | AudioCodec | UnknownCodec;

/**
 * One track of a publication: video track n is n, audio track n is 256 + n, n being the E-RTMP track id (0…255).
 * Track 0 of each kind is what viewers without multitrack see.
 */
export type Track = number & { readonly __unit: 'track' };

const FIRST_AUDIO_TRACK = 256;

/** The video track with E-RTMP track id `id` (0…255). */
export function videoTrack(id: number): Track {
  return id as Track;
}

/** The audio track with E-RTMP track id `id` (0…255). */
export function audioTrack(id: number): Track {
  return (FIRST_AUDIO_TRACK + id) as Track;
}

/** Whether the track is video; else it is audio. */
export function isVideoTrack(track: Track): boolean {
  return track < FIRST_AUDIO_TRACK;
}

/** The id (0…255) a track has on the wire, among the tracks of its kind. */
export function trackId(track: Track): number {
  return track & 0xff;
}

/** A track's codec was announced or has changed. `record` is the codec's configuration record, without any FLV header:
 *  avcC, hvcC, vvcC (without its FullBox header), av1C, vpcC (8 bytes, no FullBox header), AudioSpecificConfig, OpusHead, STREAMINFO (34 bytes);
 *  for AC-3 and E-AC-3 the dac3 or dec3 payload, for MP3 the 4 bytes of a frame header that stay the same in a stream: these three
 *  are made from the first frame. Empty for codecs that are only passed through. */
export interface ConfigEvent {
  readonly kind: 'config';
  readonly track: Track;
  readonly codec: Codec;
  readonly record: Buffer;
  /** The FLV tag body it came as, where it came as one for this track alone. */
  readonly flvBody?: Buffer;
}

/** One access unit. `data` is length-prefixed NAL units for AVC, HEVC and VVC; OBUs without temporal delimiter for AV1; else the raw frame. */
export interface FrameEvent {
  readonly kind: 'frame';
  readonly track: Track;
  readonly dts: Ticks;
  readonly pts: Ticks;
  /** A decoder can start here. Always true for audio. */
  readonly key: boolean;
  readonly data: Buffer;
  /** `performance.now()` in ms when its last byte arrived. */
  readonly arrivedAt: number;
  /** The track's codec; needed where there is no `flvBody`, to make one. */
  readonly codec?: Codec;
  /** The FLV tag body it came as, where one message held this frame alone; RTMP → RTMP sends it again unchanged. */
  readonly flvBody?: Buffer;
}

/** Metadata of one track that must precede the frames it affects: E-RTMP HDR `colorInfo` (video) or MultichannelConfig (audio).
 *  `flvBody` is a whole tag body for this track alone. */
export interface TrackMetadataEvent {
  readonly kind: 'trackMetadata';
  readonly track: Track;
  readonly flvBody: Buffer;
}

/** A timed message nobody here interprets, passed on as it came: RTMP data (AMF0) messages other than onMetaData. */
export interface OpaqueEvent {
  readonly kind: 'opaque';
  readonly dts: Ticks;
  readonly scheme: 'rtmp-data';
  readonly data: Buffer;
}

/** The stream's own description. `values` is what onMetaData held; `body` the AMF0 message for players, without @setDataFrame. */
export interface MetadataEvent {
  readonly kind: 'metadata';
  readonly values: ReadonlyMap<string, unknown>;
  readonly body: Buffer;
}

/** Media between two times is missing, or the publisher's clock jumped. */
export interface GapEvent {
  readonly kind: 'gap';
  readonly from: Ticks;
  readonly to: Ticks;
  readonly cause: 'loss' | 'stall' | 'clock';
}

/** The last event of a publication. */
export interface EndEvent {
  readonly kind: 'end';
  readonly cause: EndCause;
}

/** `unpublish`: the publisher said so. `lost`: the connection ended without a word. `revoked`: it may not publish any more. */
export type EndCause = 'unpublish' | 'lost' | 'timeout' | 'error' | 'takeover' | 'revoked' | 'shutdown';

/** The one vocabulary between every input and every output. */
export type MediaEvent =
  | ConfigEvent
  | FrameEvent
  | TrackMetadataEvent
  | OpaqueEvent
  | MetadataEvent
  | GapEvent
  | EndEvent;

/** The `default:` arm of every switch on `kind`: adding an event then fails to compile where it isn't handled. */
export function assertNever(value: never): never {
  throw new TypeError(`unhandled ${JSON.stringify(value)}`);
}
