import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  audioTrack,
  type Codec,
  type FrameEvent,
  type Track,
  ticks,
  ticksOfMs,
  videoTrack,
} from '../media/media-event.ts';
import {
  encodeFlvTags,
  encodeRtmpChunks,
  flvFileHeader,
  messageOf,
  type OutMessage,
  type TimedMessage,
  type TrackSelection,
  type ViewerEvent,
} from './media-to-rtmp.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const ascii = (text: string): string => Buffer.from(text, 'latin1').toString('hex');

function frame(track: Track, codec: Codec, over: Partial<FrameEvent> = {}): FrameEvent {
  const dts = ticksOfMs(1000);
  return { kind: 'frame', track, codec, dts, pts: dts, key: true, data: hex('aabb'), arrivedAt: 0, ...over };
}

function config(track: Track, codec: Codec): ViewerEvent {
  return { kind: 'config', track, codec, record: hex('c0de') };
}

/** Body on the wire, in hex. */
function wire(event: ViewerEvent, selection: TrackSelection = 'full'): string | undefined {
  const message = messageOf(event, selection);
  return message && message.head.toString('hex') + message.body.toString('hex');
}

describe('messageOf, without a body from the publisher', () => {
  const video0 = videoTrack(0);
  const audio0 = audioTrack(0);
  it.each<[string, ViewerEvent, string | undefined]>([
    ['H.264 config, legacy', config(video0, 'h264'), '17 00 000000 c0de'],
    ['H.264 key frame, legacy', frame(video0, 'h264'), '17 01 000000 aabb'],
    [
      'H.264 frame with a negative composition time',
      frame(video0, 'h264', { key: false, pts: ticksOfMs(966) }),
      '27 01 ffffde aabb',
    ],
    ['H.264 of the second track', frame(videoTrack(1), 'h264'), `96 03 ${ascii('avc1')} 01 aabb`],
    [
      'H.264 of the second track with a composition time',
      frame(videoTrack(1), 'h264', { pts: ticksOfMs(1080) }),
      `96 01 ${ascii('avc1')} 01 000050 aabb`,
    ],
    ['HEVC config', config(video0, 'h265'), `90 ${ascii('hvc1')} c0de`],
    ['HEVC frame at its DTS', frame(video0, 'h265', { key: false }), `a3 ${ascii('hvc1')} aabb`],
    ['VVC frame', frame(video0, 'h266', { pts: ticksOfMs(1001) }), `91 ${ascii('vvc1')} 000001 aabb`],
    ['AV1 frame', frame(video0, 'av1', { pts: ticksOfMs(1040) }), `91 ${ascii('av01')} aabb`],
    ['VP9 config of track 255', config(videoTrack(255), 'vp9'), `96 00 ${ascii('vp09')} ff c0de`],
    ['VP8 frame', frame(video0, 'vp8', { key: false }), `a1 ${ascii('vp08')} aabb`],
    ['AAC config, legacy', config(audio0, 'aac'), 'af 00 c0de'],
    ['AAC frame, legacy', frame(audio0, 'aac'), 'af 01 aabb'],
    ['AAC frame of the third track', frame(audioTrack(2), 'aac'), `95 01 ${ascii('mp4a')} 02 aabb`],
    ['MP3 config: there is none', config(audio0, 'mp3'), undefined],
    ['MP3 frame, legacy', frame(audio0, 'mp3'), '2f aabb'],
    ['MP3 config of the second track is empty', config(audioTrack(1), 'mp3'), `95 00 ${ascii('.mp3')} 01`],
    ['Opus config', config(audio0, 'opus'), `90 ${ascii('Opus')} c0de`],
    ['FLAC config, with marker and block header', config(audio0, 'flac'), `90 ${ascii('fLaC')} 664c614380000022 c0de`],
    ['FLAC frame', frame(audio0, 'flac'), `91 ${ascii('fLaC')} aabb`],
    ['AC-3 config is empty', config(audio0, 'ac3'), `90 ${ascii('ac-3')}`],
    ['E-AC-3 config is empty', config(audio0, 'eac3'), `90 ${ascii('ec-3')}`],
    ['E-AC-3 frame', frame(audio0, 'eac3'), `91 ${ascii('ec-3')} aabb`],
    ['a codec that was only passed through', frame(audio0, { unknown: 'flv-audio-11' }), undefined],
    ['a composition time beyond 24 bits', frame(video0, 'h264', { pts: ticksOfMs(1e9) }), '17 01 7fffff aabb'],
  ])('%s', (_, event, want) => {
    expect(wire(event)).toBe(want?.replaceAll(' ', ''));
  });
});

describe('messageOf', () => {
  const flvBody = hex('17010000000011');

  it('sends what a publisher sent, as it is', () => {
    const event = frame(videoTrack(0), 'h264', { flvBody });
    for (const selection of ['base', 'full'] as const) {
      const message = messageOf(event, selection)!;
      expect(message.body).toBe(flvBody);
      expect([message.type, message.head.length]).toEqual([9, 0]);
    }
  });

  it('leaves all but the first tracks out of the base selection', () => {
    const metadata: ViewerEvent = { kind: 'trackMetadata', track: videoTrack(1), flvBody };
    for (const event of [frame(videoTrack(1), 'h264', { flvBody }), config(audioTrack(1), 'aac'), metadata]) {
      expect(messageOf(event, 'base')).toBeUndefined();
      expect(messageOf(event, 'full')).toBeDefined();
    }
  });

  it('sends data and metadata to all', () => {
    const opaque: ViewerEvent = { kind: 'opaque', dts: ticks(0), scheme: 'rtmp-data', data: hex('02') };
    expect(messageOf(opaque, 'base')).toEqual({ type: 18, head: Buffer.alloc(0), body: hex('02') });
    const metadata: ViewerEvent = { kind: 'metadata', values: new Map(), body: hex('03') };
    expect(messageOf(metadata, 'base')).toEqual({ type: 18, head: Buffer.alloc(0), body: hex('03') });
    const hdr: ViewerEvent = { kind: 'trackMetadata', track: videoTrack(0), flvBody };
    expect(messageOf(hdr, 'base')).toEqual({ type: 9, head: Buffer.alloc(0), body: flvBody });
  });

  it('takes modifiers away only from those who may not know them', () => {
    const modified = hex(`a7 02 000064 01 ${ascii('hvc1')} 000028 aabb`);
    const event = frame(videoTrack(0), 'h265', { flvBody: modified, key: false, pts: ticksOfMs(1040) });
    expect(wire(event, 'full')).toBe(modified.toString('hex'));
    expect(wire(event, 'base')).toBe(`a1${ascii('hvc1')}000028aabb`);
    const audio = frame(audioTrack(0), 'opus', { flvBody: hex(`97 02 000064 01 ${ascii('Opus')} aabb`) });
    expect(wire(audio, 'base')).toBe(`91${ascii('Opus')}aabb`);
  });
});

/** Reads chunks as RTMP 1.0 §5.3.1 has them, strictly: type 0 to begin with, type 3 to go on. */
function dechunk(bytes: Buffer, chunkSize: number): { csid: number; type: number; timestamp: number; body: string }[] {
  const messages = [];
  let at = 0;
  while (at < bytes.length) {
    const csid = bytes[at]!;
    expect(csid >> 6).toBe(0);
    const short = bytes.readUIntBE(at + 1, 3);
    const length = bytes.readUIntBE(at + 4, 3);
    const type = bytes[at + 7]!;
    expect(bytes.readUInt32LE(at + 8)).toBe(1);
    at += 12;
    const timestamp = short === 0xffffff ? bytes.readUInt32BE(at) : short;
    if (short === 0xffffff) at += 4;
    const payload: Buffer[] = [];
    for (let left = length; ; ) {
      payload.push(bytes.subarray(at, at + Math.min(left, chunkSize)));
      at += Math.min(left, chunkSize);
      left -= chunkSize;
      if (left <= 0) break;
      expect(bytes[at++]).toBe(0xc0 | csid);
      if (short === 0xffffff) {
        expect(bytes.readUInt32BE(at)).toBe(timestamp);
        at += 4;
      }
    }
    messages.push({ csid, type, timestamp, body: Buffer.concat(payload).toString('hex') });
  }
  expect(at).toBe(bytes.length);
  return messages;
}

const CHUNK_STREAM = { 8: 4, 18: 5, 9: 6 } as const;
const anyMessages = fc.array(
  fc.record({
    message: fc.record({
      type: fc.constantFrom(8, 9, 18),
      head: fc.uint8Array({ maxLength: 18 }).map((bytes) => Buffer.from(bytes)),
      body: fc
        .oneof(fc.nat(40), fc.integer({ min: 100, max: 140 }), fc.nat(1000))
        .map((length) => Buffer.from(Array.from({ length }, (_, i) => i & 0xff))),
    }) as fc.Arbitrary<OutMessage>,
    timestamp: fc.oneof(fc.nat(0xffff), fc.integer({ min: 0xfffffd, max: 0x1000001 }), fc.nat(2 ** 33)),
  }),
  { maxLength: 12 },
) as fc.Arbitrary<TimedMessage[]>;
const bodyOf = ({ head, body }: OutMessage): string => head.toString('hex') + body.toString('hex');

describe('encodeRtmpChunks', () => {
  it('writes a short message', () => {
    const message: OutMessage = { type: 9, head: hex('17'), body: hex('0102') };
    expect(encodeRtmpChunks([{ message, timestamp: 0x010203 }], 128).toString('hex')).toBe(
      '06 010203 000003 09 01000000 170102'.replaceAll(' ', ''),
    );
  });

  it('repeats the extended timestamp on continuations', () => {
    const message: OutMessage = { type: 8, head: Buffer.alloc(0), body: Buffer.alloc(129, 1) };
    const bytes = encodeRtmpChunks([{ message, timestamp: 0xffffff }], 128);
    expect(bytes.toString('hex')).toBe(`04ffffff0000810801000000${'00ffffff'}${'01'.repeat(128)}c400ffffff01`);
  });

  it('writes nothing for nothing', () => {
    expect(encodeRtmpChunks([], 128).length).toBe(0);
  });

  it('is undone by a strict reader, for any messages and chunk size', () => {
    fc.assert(
      fc.property(anyMessages, fc.constantFrom(128, 129, 256, 4096, 65_536), (messages, chunkSize) => {
        expect(dechunk(encodeRtmpChunks(messages, chunkSize), chunkSize)).toEqual(
          messages.map(({ message, timestamp }) => ({
            csid: CHUNK_STREAM[message.type],
            type: message.type,
            timestamp: timestamp % 2 ** 32,
            body: bodyOf(message),
          })),
        );
      }),
    );
  });
});

describe('encodeFlvTags', () => {
  it('writes tags that can be walked from both ends', () => {
    fc.assert(
      fc.property(anyMessages, (messages) => {
        const bytes = encodeFlvTags(messages);
        let at = 0;
        for (const { message, timestamp } of messages) {
          const length = bytes.readUIntBE(at + 1, 3);
          expect(bytes[at]).toBe(message.type);
          expect(bytes.readUIntBE(at + 4, 3) + bytes[at + 7]! * 2 ** 24).toBe(timestamp % 2 ** 32);
          expect(bytes.readUIntBE(at + 8, 3)).toBe(0);
          expect(bytes.toString('hex', at + 11, at + 11 + length)).toBe(bodyOf(message));
          expect(bytes.readUInt32BE(at + 11 + length)).toBe(11 + length);
          at += 15 + length;
        }
        expect(at).toBe(bytes.length);
      }),
    );
  });
});

describe('flvFileHeader', () => {
  it.each([
    [true, true, 5],
    [true, false, 4],
    [false, true, 1],
  ])('audio %s, video %s: flags %d', (audio, video, flags) => {
    expect(flvFileHeader(audio, video).toString('hex')).toBe(`464c56010${flags}0000000900000000`);
  });
});
