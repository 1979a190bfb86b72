import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { line, lines, type Message, run } from '../../test/support/adapted.ts';
import { codecFixture } from '../../test/support/codec-fixture.ts';
import { flvFixture } from '../../test/support/flv-fixture.ts';
import type { MediaEvent } from '../media/media-event.ts';
import { type AudioTag, encodeAudioTag } from '../protocol/flv/audio-tag.ts';
import { encodeVideoTag, type VideoTag } from '../protocol/flv/video-tag.ts';
import { encodeAmf0 } from '../protocol/rtmp/amf0.ts';
import type { MediaMessage } from '../protocol/rtmp/media-message.ts';
import { messageOf } from './media-to-rtmp.ts';
import { RtmpToMedia } from './rtmp-to-media.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const NOTHING = Buffer.alloc(0);
const AVC = codecFixture('h264-baseline').record;
const HEVC = codecFixture('h265-main10').record;
const AVC_HEADER = Buffer.concat([hex('1700000000'), AVC]);
const AAC_HEADER = hex('af001190');

const video = (over: Partial<VideoTag> & Pick<VideoTag, 'parts'>): Buffer =>
  encodeVideoTag({ isEnhanced: true, frameType: 1, packet: 'codedFrames', nanos: 0, multitrack: undefined, ...over });
const audio = (over: Partial<AudioTag> & Pick<AudioTag, 'parts'>): Buffer =>
  encodeAudioTag({ legacyByte: undefined, packet: 'codedFrames', nanos: 0, multitrack: undefined, ...over });
const videoPart = (codec: VideoTag['parts'][number]['codec'], data: Buffer, id = 0) => ({
  trackId: id,
  codec,
  compositionMs: 0,
  data,
});

describe('RtmpToMedia, bounds', () => {
  it('keeps no header that is larger than any real one', () => {
    const large = Buffer.concat([AVC_HEADER, Buffer.alloc(16 * 1024)]);
    const hdr = video({ packet: 'metadata', parts: [videoPart('hvc1', Buffer.alloc(17 * 1024))] });
    expect(
      run([
        [9, 0, large],
        [9, 10, hdr],
      ]),
    ).toEqual({
      events: [],
      skipped: ['ERR_FLV_BAD_CONFIG', 'ERR_FLV_BAD_CONFIG'],
    });
  });

  it('passes no frame on that a longer header would make too long for a message', () => {
    const config: Message = [9, 0, Buffer.concat([hex('1c00000000'), HEVC])];
    const [most, more] = [0, 8].map((bytes) => Buffer.alloc(0xff_ff_ff - 16 + 5 + bytes));
    for (const body of [most!, more!]) hex('1c01000000').copy(body);
    const { events, skipped } = run([config, [9, 40, most!], [9, 80, more!]]);
    expect(events.map(line)).toEqual(['v0 config h265', 'v0 K 40']);
    expect(skipped).toEqual(['ERR_FLV_UNSUPPORTED']);
    const frame = events[1] as Extract<MediaEvent, { kind: 'frame' }>;
    const message = messageOf(frame, 'base')!;
    expect(message.head.length + message.body.length).toBeLessThanOrEqual(0xff_ff_ff);
  });
});

describe('RtmpToMedia, configuration', () => {
  const avcFrame: Message = [9, 40, hex('2701000000 0000000141')];

  it('says a repeated header once, a changed one again', () => {
    const other: Message = [9, 20, Buffer.concat([hex('1700000000'), codecFixture('h264-high-cropped').record])];
    expect(lines([[9, 0, AVC_HEADER], [9, 10, AVC_HEADER], other, [9, 30, AVC_HEADER]])).toEqual(
      Array(3).fill('v0 config h264'),
    );
  });

  it('ignores an empty AAC header, and takes the real one', () => {
    const { events, skipped } = run([
      [8, 0, hex('af00')],
      [8, 1, AAC_HEADER],
      [8, 2, hex('af01')],
      [8, 3, hex('af0121')],
    ]);
    expect(events.map(line)).toEqual(['a0 config aac', 'a0 3']);
    expect(skipped).toEqual([]);
  });

  it('drops frames of which no decoder could know what they are', () => {
    const { events, skipped } = run([avcFrame, [8, 41, hex('af0121')], [9, 50, hex(`1700000000 01`)]]);
    expect(events).toEqual([]);
    expect(skipped).toEqual(['ERR_FLV_NO_CONFIG', 'ERR_FLV_NO_CONFIG', 'ERR_FLV_BAD_CONFIG']);
  });

  it('knows HEVC under the name of AVC (OBS before 29.1), and sends it on under its own', () => {
    const { events } = run([
      [9, 0, Buffer.concat([hex('1700000000'), HEVC])],
      [9, 0, hex('1701000050 0000000126')],
    ]);
    expect(events.map(line)).toEqual(['v0 config h265', 'v0 K 0+80']);
    const bodies = events.map((event) => messageOf(event as Parameters<typeof messageOf>[0], 'base')!);
    expect(bodies.map(({ head }) => head.toString('latin1', 0, 5))).toEqual(['\x90hvc1', '\x91hvc1']);
    expect(bodies[1]!.body.toString('hex')).toBe('0000000126');
  });

  it('sends the private codec ids 12 (HEVC) and 13 (Opus) on with an enhanced header', () => {
    const { events } = run([
      [9, 0, Buffer.concat([hex('1c00000000'), HEVC])],
      [9, 0, hex('1c01000000 0000000126')],
      [8, 5, hex('dffcaa')],
    ]);
    expect(events.map(line)).toEqual(['v0 config h265', 'v0 K 0', 'a0 config opus', 'a0 5']);
    const heads = events.map((event) => messageOf(event as Parameters<typeof messageOf>[0], 'base')!.head);
    expect(heads.map((head) => head.toString('latin1', 0, 5))).toEqual([
      '\x90hvc1',
      '\x93hvc1',
      '\x90Opus',
      '\x91Opus',
    ]);
  });

  it('makes an av1C from the first key frame where the header has no OBUs', () => {
    const { record, frames } = codecFixture('av1-aom');
    const start = video({ packet: 'sequenceStart', parts: [videoPart('av01', record.subarray(0, 4))] });
    const key = video({ parts: [videoPart('av01', frames[0]!)] });
    const inter = video({ frameType: 2, parts: [videoPart('av01', frames[1]!)] });
    const { events, skipped } = run([
      [9, 0, start],
      [9, 0, inter],
      [9, 40, key],
      [9, 80, inter],
    ]);
    expect(skipped).toEqual(['ERR_FLV_NO_CONFIG']);
    expect(events.map(line)).toEqual(['v0 config av1', 'v0 K 40', 'v0 p 80']);
    const [config] = events;
    expect(config).toMatchObject({ record, flvBody: start });
  });

  it('makes a vpcC from the first VP8 key frame', () => {
    const [key, inter] = codecFixture('vp8').frames.map((frame) => video({ parts: [videoPart('vp08', frame)] }));
    const { events, skipped } = run([
      [9, 0, inter!],
      [9, 40, key!],
      [9, 80, inter!],
    ]);
    expect(skipped).toEqual(['ERR_FLV_NO_CONFIG']);
    expect(events.map(line)).toEqual(['v0 config vp8', 'v0 K 40', 'v0 K 80']);
    expect(events[0]).toMatchObject({ record: hex('000b820202020000') });
  });

  it('says MP3 once, and again when its rate changes', () => {
    const mp3 = (fixture: string): Buffer => Buffer.concat([hex('2f'), codecFixture(fixture).frames[0]!]);
    const messages: Message[] = [
      [8, 0, mp3('mp3-48k')],
      [8, 24, mp3('mp3-48k')],
      [8, 48, mp3('mp3-22k-mono')],
    ];
    expect(lines(messages)).toEqual(['a0 config mp3', 'a0 0', 'a0 24', 'a0 config mp3', 'a0 48']);
  });

  it('passes codecs through that it does not know, once named', () => {
    const speex = hex('b23d3e');
    const { events } = run([
      [8, 0, speex],
      [8, 20, speex],
      [9, 20, hex('220102')],
    ]);
    expect(events.map(line)).toEqual(['a0 config flv-audio-11', 'a0 0', 'a0 20', 'v0 config flv-video-2', 'v0 p 20']);
    expect(messageOf(events[1] as Parameters<typeof messageOf>[0], 'base')!.body).toBe(speex);
  });

  it('goes over from one codec to another in mid-stream', () => {
    const hevc = video({ packet: 'sequenceStart', parts: [videoPart('hvc1', HEVC)] });
    const hevcFrame = video({ parts: [videoPart('hvc1', hex('0000000126'))] });
    expect(lines([[9, 0, AVC_HEADER], avcFrame, [9, 80, hevc], [9, 80, hevcFrame]])).toEqual([
      'v0 config h264',
      'v0 p 40',
      'v0 config h265',
      'v0 K 80',
    ]);
  });
});

describe('RtmpToMedia, multitrack', () => {
  it('takes messages of many tracks apart, and sends each track on alone', () => {
    const start = video({
      packet: 'sequenceStart',
      multitrack: 'many',
      parts: [videoPart('avc1', AVC), videoPart('avc1', AVC, 3)],
    });
    const frame = hex('0000000165');
    const frames = video({
      multitrack: 'manyCodecs',
      parts: [
        { ...videoPart('avc1', frame), compositionMs: 40 },
        videoPart('avc1', frame, 3),
        videoPart('avc1', NOTHING, 4),
      ],
    });
    const { events } = run([
      [9, 0, start],
      [9, 40, frames],
    ]);
    expect(events.map(line)).toEqual(['v0 config h264', 'v3 config h264', 'v0 K 40+40', 'v3 K 40']);
    const sent = (selection: 'base' | 'full') =>
      events
        .flatMap((event) => messageOf(event as Parameters<typeof messageOf>[0], selection) ?? [])
        .map(({ head }) => head.toString('hex'));
    expect(sent('base')).toEqual(['1700000000', '1701000028']);
    expect(sent('full')).toEqual(['1700000000', '96006176633103', '1701000028', '96036176633103']);
  });

  it('sends metadata on for each track alone, and only when it changes', () => {
    const colour = encodeAmf0('colorInfo', new Map());
    const both = video({
      frameType: 0,
      packet: 'metadata',
      multitrack: 'many',
      parts: [videoPart('hvc1', colour), videoPart('hvc1', colour, 1)],
    });
    const { events } = run([
      [9, 0, both],
      [9, 10, both],
      [
        8,
        10,
        audio({
          packet: 'multichannelConfig',
          multitrack: 'one',
          parts: [{ trackId: 0, codec: 'Opus', data: hex('0102') }],
        }),
      ],
    ]);
    expect(
      events.map((event) => (event.kind === 'trackMetadata' ? event.flvBody.toString('latin1', 0, 7) : '')),
    ).toEqual(['\x84hvc1\x02\x00', '\x86\x04hvc1\x01', '\x94Opus\x01\x02']);
  });

  it('skips only the track with an unknown FourCC', () => {
    const start = Buffer.concat([
      hex('9620'),
      Buffer.from('wxyz'),
      hex('00 000001 aa'),
      Buffer.from('avc1'),
      hex('01'),
      hex('0000'),
      Buffer.from([AVC.length]),
      AVC,
    ]);
    const { events, skipped } = run([[9, 0, start]]);
    expect(events.map(line)).toEqual(['v1 config h264']);
    expect(skipped).toEqual(['ERR_FLV_UNSUPPORTED']);
  });
});

describe('RtmpToMedia, time', () => {
  const key = (timestamp: number): Message => [9, timestamp, hex('1701000000 0000000165')];
  const sound = (timestamp: number): Message => [8, timestamp, hex('af0121')];

  it('goes on over the wrap of 32 bits', () => {
    const messages = [[9, 0, AVC_HEADER] as Message, key(2 ** 32 - 20), key(20)];
    expect(lines(messages)).toEqual(['v0 config h264', `v0 K ${2 ** 32 - 20}`, `v0 K ${2 ** 32 + 20}`]);
  });

  it('puts what comes before a first time of 0 below it', () => {
    const messages: Message[] = [[9, 0, AVC_HEADER], [8, 0, AAC_HEADER], key(0), sound(2 ** 32 - 40), sound(0)];
    expect(lines(messages).slice(2)).toEqual(['v0 K 0', 'a0 -40', 'a0 0']);
  });

  it('lets no track go back, though tracks interleave', () => {
    const messages: Message[] = [
      [9, 0, AVC_HEADER],
      [8, 0, AAC_HEADER],
      key(1000),
      sound(900),
      sound(920),
      key(990),
      key(1040),
    ];
    expect(lines(messages).slice(2)).toEqual(['v0 K 1000', 'a0 900', 'a0 920', 'v0 K 1000', 'v0 K 1040']);
  });

  it('is not moved by headers, metadata and data', () => {
    const far = 5_000_000;
    const note = encodeAmf0('onTextData', new Map([['text', 'x']]));
    const messages: Message[] = [
      ...([[9, far, AVC_HEADER], [8, far, AAC_HEADER], [18, far, note], key(1000)] as Message[]),
      ...([
        [9, far, AVC_HEADER],
        [18, 0, encodeAmf0('onMetaData', new Map([['a', 1]]))],
        [18, 1010, note],
        [18, 7, note],
      ] as Message[]),
      sound(1020),
    ];
    expect(lines(messages)).toEqual([
      ...['v0 config h264', 'a0 config aac', `opaque ${far}`, 'v0 K 1000', 'metadata a'],
      ...[`opaque ${far}`, `opaque ${far}`, 'a0 1020'],
    ]);
  });

  it('declares a clock that was set', () => {
    expect(lines([[8, 0, AAC_HEADER], sound(100_000), sound(50)])).toEqual([
      'a0 config aac',
      'a0 100000',
      'gap clock 100000-100001',
      'a0 100001',
    ]);
  });

  it('adds nanoseconds to the presentation time', () => {
    const start = video({ packet: 'sequenceStart', parts: [videoPart('hvc1', HEVC)] });
    const { events } = run([
      [9, 0, start],
      [9, 40, video({ nanos: 500_000, parts: [videoPart('hvc1', hex('0000000126'))] })],
    ]);
    expect(events[1]).toMatchObject({ dts: 3600, pts: 3645 });
  });
});

describe('RtmpToMedia, data messages', () => {
  it.each([
    ['@setDataFrame, object', encodeAmf0('@setDataFrame', 'onMetaData', { width: 320, videocodecid: 'avc1' })],
    ['onMetaData alone', encodeAmf0('onMetaData', { width: 320, videocodecid: 'avc1' })],
    [
      'an array that does not end',
      hex(
        '02000a6f6e4d65746144617461 08ffffffff 00057769647468 004074000000000000 000c766964656f636f6465636964 02000461766331',
      ),
    ],
  ])('%s becomes an ECMA array with an end', (_, body) => {
    const [event] = run([[18, 0, body]]).events;
    expect(event?.kind === 'metadata' && [...event.values]).toEqual([
      ['width', 320],
      ['videocodecid', 'avc1'],
    ]);
    expect((event as { body: Buffer }).body.toString('hex')).toBe(
      '02000a6f6e4d65746144617461 0800000002 00057769647468 004074000000000000 000c766964656f636f6465636964 02000461766331 000009'.replaceAll(
        ' ',
        '',
      ),
    );
  });

  it('@clearDataFrame empties it', () => {
    const [event] = run([[18, 0, encodeAmf0('@clearDataFrame', 'onMetaData')]]).events;
    expect(event).toMatchObject({ kind: 'metadata', values: new Map() });
  });

  it('passes on what nobody here knows, without @setDataFrame', () => {
    const cue = encodeAmf0('onCuePoint', { name: 'x' });
    const { events } = run([
      [18, 5, cue],
      [18, 6, encodeAmf0('@setDataFrame', 'onCuePoint', { name: 'x' })],
    ]);
    for (const event of events) expect((event as { data: Buffer }).data.equals(cue)).toBe(true);
    expect(events.map(line)).toEqual(['opaque 5', 'opaque 6']);
  });
});

describe('RtmpToMedia, bad input', () => {
  it('skips what drones send, and plays on', () => {
    const { events, skipped } = run([
      ...([
        [8, 0, hex('ff 00 01')],
        [9, 0, hex('10')],
        [9, 0, AVC_HEADER],
        [18, 0, hex('ff')],
        [9, 0, hex('9f')],
        [8, 0, NOTHING],
      ] as Message[]),
      [9, 40, hex('1701000000 0000000165')],
    ]);
    expect(events.map(line)).toEqual(['v0 config h264', 'v0 K 40']);
    expect(skipped).toEqual(['ERR_FLV_UNSUPPORTED', 'ERR_FLV_UNSUPPORTED', 'ERR_AMF_UNSUPPORTED', 'ERR_FLV_TRUNCATED']);
  });

  it('says nothing after the end', () => {
    const events: MediaEvent[] = [];
    const adapter = new RtmpToMedia({ onEvent: (event) => events.push(event) }, { onSkipped() {} });
    adapter.end('unpublish');
    adapter.end('lost');
    adapter.push({ type: 9, timestamp: 0, body: AVC_HEADER }, 0);
    expect(events.map(line)).toEqual(['end unpublish']);
  });

  it('never throws, and lets no track go back, whatever comes between real messages', () => {
    const real = [...flvFixture('multitrack'), ...flvFixture('av1-flac'), ...flvFixture('vp9-ac3')];
    const garbled = fc
      .tuple(fc.nat(real.length - 1), fc.nat(60), fc.nat(255), fc.nat(400))
      .map(([which, at, value, length]): MediaMessage => {
        const body = Buffer.from(real[which]!.body.subarray(0, length));
        if (at < body.length) body[at] = value;
        return { type: real[which]!.type, timestamp: real[which]!.timestamp, body };
      });
    const junk = fc.record({
      type: fc.constantFrom(8 as const, 9 as const, 18 as const),
      timestamp: fc.nat(2 ** 32 - 1),
      body: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    });
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom(...real), garbled, junk), { maxLength: 60 }), (messages) => {
        const last = new Map<number, number>();
        const configured = new Set<number>();
        const adapter = new RtmpToMedia(
          {
            onEvent(event) {
              if (event.kind === 'config') configured.add(event.track);
              if (event.kind !== 'frame') return;
              expect(configured).toContain(event.track);
              expect(event.dts).toBeGreaterThanOrEqual(last.get(event.track) ?? Number.NEGATIVE_INFINITY);
              expect(event.data.length).toBeGreaterThan(0);
              last.set(event.track, event.dts);
              messageOf(event, 'base');
              messageOf(event, 'full');
            },
          },
          { onSkipped: (code) => expect(code).toMatch(/^ERR_(FLV|AMF)_/) },
        );
        for (const [i, message] of messages.entries()) adapter.push(message, i * 10);
      }),
      { numRuns: 300 },
    );
  });
});
