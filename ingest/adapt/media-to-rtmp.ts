import {
  type Codec,
  type ConfigEvent,
  type FrameEvent,
  isVideoTrack,
  type MetadataEvent,
  msOfTicks,
  type OpaqueEvent,
  type TrackMetadataEvent,
  trackId,
} from '../media/media-event.ts';
import { encodeAudioTag } from '../protocol/flv/audio-tag.ts';
import { hasCompositionTime } from '../protocol/flv/four-cc.ts';
import { encodeVideoTag } from '../protocol/flv/video-tag.ts';
import { audioFourCcOf, videoFourCcOf } from './codec-four-cc.ts';

/** `base`: track 0 of each kind and data. `full`: all tracks, for viewers that know multitrack. */
export type TrackSelection = 'base' | 'full';

/** One RTMP message, or FLV tag: its body on the wire is `head` followed by `body`. `head` may be empty. */
export interface OutMessage {
  readonly type: 8 | 9 | 18;
  readonly head: Buffer;
  readonly body: Buffer;
}

/** An `OutMessage` with its time in ms, of which 32 bits go on the wire. */
export interface TimedMessage {
  readonly message: OutMessage;
  readonly timestamp: number;
}

/** The events that a viewer is sent. */
export type ViewerEvent = ConfigEvent | FrameEvent | TrackMetadataEvent | MetadataEvent | OpaqueEvent;

const NOTHING = Buffer.alloc(0);
/** The most that 24 signed bits hold, ms. */
const MAX_COMPOSITION_MS = 0x7f_ff_ff;
/** FLAC's stream marker and the header of its last, 34-byte, STREAMINFO block (RFC 9639 §8). */
const FLAC_PREFIX = Buffer.from('664c614380000022', 'hex');

/** The message that carries `event`; undefined where the selection leaves its track out, or FLV has no form for it. */
export function messageOf(event: ViewerEvent, selection: TrackSelection): OutMessage | undefined {
  switch (event.kind) {
    case 'metadata':
      return { type: 18, head: NOTHING, body: event.body };
    case 'opaque':
      return { type: 18, head: NOTHING, body: event.data };
    case 'config':
    case 'frame':
    case 'trackMetadata': {
      if (selection === 'base' && trackId(event.track) !== 0) return undefined;
      if (event.flvBody === undefined) return event.kind === 'trackMetadata' ? undefined : wrap(event);
      const type = isVideoTrack(event.track) ? 9 : 8;
      // Who knows no multitrack may know no modifiers either; frames can do without.
      if (selection === 'base' && event.kind === 'frame' && hasModifiers(type, event.flvBody)) return wrap(event);
      return { type, head: NOTHING, body: event.flvBody };
    }
  }
}

/** Whether an enhanced tag body begins with a packet type modifier (ModEx). */
function hasModifiers(type: 8 | 9, body: Buffer): boolean {
  const first = body[0]!;
  return type === 9 ? (first & 0x8f) === 0x87 : first === 0x97;
}

/** Makes the header that the input did not bring, or that does not suit: MPEG-TS has none, and a message of many tracks goes out as one for each. */
function wrap(event: ConfigEvent | FrameEvent): OutMessage | undefined {
  if (event.codec === undefined) return undefined;
  return isVideoTrack(event.track) ? wrapVideo(event, event.codec) : wrapAudio(event, event.codec);
}

/** H.264 of track 0 gets FLV's own header, which every player knows; everything else the enhanced one. */
function wrapVideo(event: ConfigEvent | FrameEvent, codec: Codec): OutMessage | undefined {
  const name = videoFourCcOf(codec);
  if (name === undefined) return undefined;
  const id = trackId(event.track);
  const isEnhanced = name !== 'avc1' || id !== 0;
  const isFrame = event.kind === 'frame';
  const cts = isFrame && hasCompositionTime(name) ? msOfTicks(event.pts) - msOfTicks(event.dts) : 0;
  const compositionMs = Math.max(-MAX_COMPOSITION_MS, Math.min(MAX_COMPOSITION_MS, cts));
  const head = encodeVideoTag({
    isEnhanced,
    frameType: isFrame && !event.key ? 2 : 1,
    // CodedFramesX leaves out a composition time of 0; the codecs that never have one know only CodedFrames.
    packet: !isFrame
      ? 'sequenceStart'
      : isEnhanced && cts === 0 && hasCompositionTime(name)
        ? 'codedFramesX'
        : 'codedFrames',
    nanos: 0,
    multitrack: id === 0 ? undefined : 'one',
    parts: [{ trackId: id, codec: name, compositionMs, data: NOTHING }],
  });
  return { type: 9, head, body: isFrame ? event.data : event.record };
}

/** AAC and MP3 of track 0 get FLV's own header; its rate and channel bits nobody reads for these two. */
function wrapAudio(event: ConfigEvent | FrameEvent, codec: Codec): OutMessage | undefined {
  const name = audioFourCcOf(codec);
  if (name === undefined) return undefined;
  const id = trackId(event.track);
  const legacyByte = id !== 0 ? undefined : name === 'mp4a' ? 0xaf : name === '.mp3' ? 0x2f : undefined;
  const isFrame = event.kind === 'frame';
  if (legacyByte === 0x2f && !isFrame) return undefined; // nothing announces it there
  // Before STREAMINFO stand FLAC's marker and block header; the record of these others is ours, not E-RTMP's.
  const hasNoRecord = name === 'ac-3' || name === 'ec-3' || name === '.mp3';
  const head = encodeAudioTag({
    legacyByte,
    packet: isFrame ? 'codedFrames' : 'sequenceStart',
    nanos: 0,
    multitrack: id === 0 ? undefined : 'one',
    parts: [{ trackId: id, codec: name, data: name === 'fLaC' && !isFrame ? FLAC_PREFIX : NOTHING }],
  });
  return { type: 8, head, body: isFrame ? event.data : hasNoRecord ? NOTHING : event.record };
}

/** RTMP 1.0 §5.3.1.2.1: a type-0 header with a one-byte basic header; the extended timestamp is four more. */
const FIRST_HEADER = 12;
const EXTENDED = 0xff_ff_ff;
/** The one message stream a viewer's connection has. */
const MESSAGE_STREAM = 1;
/** Tag header and PreviousTagSize around an FLV tag's body (FLV 10.1 §E.4.1). */
const TAG_HEADER = 11;
const TAG_TRAILER = 4;

/** Chunk stream ids by message type, so that a large video message does not reuse the header state of audio. */
function chunkStreamOf(type: OutMessage['type']): number {
  return type === 8 ? 4 : type === 18 ? 5 : 6;
}

/**
 * The messages as RTMP chunks, in a buffer of their exact size. Each begins with a type-0 header, so that no viewer needs the state of
 * what came before; continuations repeat the extended timestamp, which ffmpeg and RTMP 1.0 §5.3.1.3 want and old librtmp tolerates.
 * `chunkSize`: payload bytes in a chunk, at least 128, so that a head is never split.
 */
export function encodeRtmpChunks(messages: readonly TimedMessage[], chunkSize: number): Buffer {
  let size = 0;
  for (let i = 0; i < messages.length; i++) {
    const { message, timestamp } = messages[i]!;
    const length = message.head.length + message.body.length;
    const extended = timestamp >>> 0 >= EXTENDED ? 4 : 0;
    const continuations = length <= chunkSize ? 0 : Math.ceil(length / chunkSize) - 1;
    size += FIRST_HEADER + extended + length + continuations * (1 + extended);
  }
  const out = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for (let i = 0; i < messages.length; i++) {
    const { message, timestamp } = messages[i]!;
    at = writeChunks(out, at, message, timestamp >>> 0, chunkSize);
  }
  return out;
}

function writeChunks(out: Buffer, start: number, message: OutMessage, timestamp: number, chunkSize: number): number {
  const { head, body } = message;
  const length = head.length + body.length;
  const isExtended = timestamp >= EXTENDED;
  const basicHeader = chunkStreamOf(message.type);
  let at = start;
  out[at] = basicHeader;
  writeU24(out, at + 1, isExtended ? EXTENDED : timestamp);
  writeU24(out, at + 4, length);
  out[at + 7] = message.type;
  out[at + 8] = MESSAGE_STREAM; // little-endian
  out[at + 9] = out[at + 10] = out[at + 11] = 0;
  at += FIRST_HEADER;
  if (isExtended) at = writeU32(out, at, timestamp);
  if (head.length > 0) {
    out.set(head, at);
    at += head.length;
  }
  if (length <= chunkSize) {
    out.set(body, at);
    return at + body.length;
  }
  let to = chunkSize - head.length;
  at += body.copy(out, at, 0, to);
  while (to < body.length) {
    out[at++] = 0xc0 | basicHeader;
    if (isExtended) at = writeU32(out, at, timestamp);
    const from = to;
    to += chunkSize; // copy() stops at the end of the body
    at += body.copy(out, at, from, to);
  }
  return at;
}

/** The messages as FLV tags, each followed by its PreviousTagSize, in a buffer of their exact size. */
export function encodeFlvTags(messages: readonly TimedMessage[]): Buffer {
  let size = 0;
  for (let i = 0; i < messages.length; i++) {
    const { head, body } = messages[i]!.message;
    size += TAG_HEADER + head.length + body.length + TAG_TRAILER;
  }
  const out = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for (let i = 0; i < messages.length; i++) {
    const { message, timestamp } = messages[i]!;
    const { head, body } = message;
    const length = head.length + body.length;
    out[at] = message.type;
    writeU24(out, at + 1, length);
    writeU24(out, at + 4, timestamp);
    out[at + 7] = timestamp >>> 24; // the time's high byte comes last
    out[at + 8] = out[at + 9] = out[at + 10] = 0;
    at += TAG_HEADER;
    if (head.length > 0) out.set(head, at);
    out.set(body, at + head.length);
    at = writeU32(out, at + length, TAG_HEADER + length);
  }
  return out;
}

/** The 13 bytes an FLV stream begins with: header and PreviousTagSize0 (FLV 10.1 §E.2). Players look for no stream that it denies. */
export function flvFileHeader(hasAudio: boolean, hasVideo: boolean): Buffer {
  const out = Buffer.from('464c5601000000000900000000', 'hex');
  out[4] = (hasAudio ? 4 : 0) | (hasVideo ? 1 : 0);
  return out;
}

function writeU24(out: Buffer, at: number, value: number): void {
  out[at] = value >>> 16;
  out[at + 1] = value >>> 8;
  out[at + 2] = value;
}

function writeU32(out: Buffer, at: number, value: number): number {
  out[at] = value >>> 24;
  writeU24(out, at + 1, value);
  return at + 4;
}
