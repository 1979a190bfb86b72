import { describe, expect, it } from 'vitest';
import { line, type Message, run } from '../../test/support/adapted.ts';
import { flvFixture } from '../../test/support/flv-fixture.ts';
import { isVideoTrack } from '../media/media-event.ts';
import { messageOf } from './media-to-rtmp.ts';

describe('RtmpToMedia, on what ffmpeg 9 publishes', () => {
  it.each<[string, string[]]>([
    [
      'h264-aac',
      [
        ...['v0 config h264', 'a0 config aac', 'v0 K 0+80', 'v0 p 40+160', 'a0 59', 'v0 p 80+40', 'a0 80', 'a0 101'],
        ...[
          'v0 p 120+40',
          'a0 123',
          'a0 144',
          'v0 p 160+80',
          'a0 165',
          'a0 187',
          'a0 208',
          'a0 229',
          'a0 251',
          'a0 272',
        ],
      ],
    ],
    [
      'hevc-opus',
      [
        ...['v0 config h265', 'a0 config opus', 'a0 metadata', 'v0 metadata', 'v0 K 0+80', 'v0 p 40+200', 'a0 73'],
        ...['v0 p 80+80', 'a0 94', 'a0 114', 'v0 p 120', 'a0 134', 'a0 154', 'v0 p 160+40', 'a0 174', 'a0 194'],
        ...['a0 214', 'a0 234', 'a0 254', 'a0 274'],
      ],
    ],
    [
      'av1-flac',
      [
        ...[
          'v0 config av1',
          'a0 config flac',
          'a0 metadata',
          'v0 metadata',
          'v0 K 0',
          'a0 0',
          'a0 19',
          'a0 39',
          'v0 p 40',
        ],
        ...[
          'a0 58',
          'a0 78',
          'v0 p 80',
          'a0 97',
          'a0 116',
          'v0 p 120',
          'a0 136',
          'a0 155',
          'v0 p 160',
          'a0 174',
          'a0 194',
        ],
      ],
    ],
    [
      'vp9-ac3',
      [
        ...['v0 config vp9', 'a0 metadata', 'a0 config ac3', 'a0 0', 'v0 metadata', 'v0 K 8', 'v0 p 48', 'a0 48'],
        ...['v0 p 88', 'a0 96'],
      ],
    ],
    [
      'h264-eac3',
      [
        ...[
          'v0 config h264',
          'a0 metadata',
          'v0 K 0+80',
          'v0 p 40+120',
          'a0 config eac3',
          'a0 75',
          'v0 p 80+40',
          'a0 107',
        ],
        ...['a0 139', 'a0 171'],
      ],
    ],
    [
      'multitrack',
      [
        ...[
          'v0 config h264',
          'v1 config h264',
          'a0 config aac',
          'a1 config opus',
          'a1 metadata',
          'v0 K 0+80',
          'v1 K 0+80',
        ],
        ...['v0 p 40+120', 'v1 p 40+120', 'a0 59', 'a1 73', 'v0 p 80+40', 'v1 p 80+40', 'a0 80', 'a1 94', 'a0 101'],
        ...['a1 114', 'a0 123', 'a1 134', 'a0 144', 'a1 154', 'a0 165', 'a1 174', 'a0 187', 'a1 194'],
      ],
    ],
  ])('%s', (fixture, want) => {
    const messages = flvFixture(fixture).map(({ type, timestamp, body }): Message => [type, timestamp, body]);
    const { events, skipped } = run(messages);
    expect(skipped).toEqual([]);
    expect(line(events[0]!)).toMatch(/^metadata duration,width,height/);
    expect(events.slice(1).map(line)).toEqual(want);
  });

  it.each(['h264-aac', 'hevc-opus', 'av1-flac', 'vp9-ac3', 'h264-eac3', 'multitrack'])(
    '%s goes out as it came in',
    (fixture) => {
      const tags = flvFixture(fixture).filter(({ type }) => type !== 18);
      const bodies = run(tags.map(({ type, timestamp, body }): Message => [type, timestamp, body]))
        .events.map((event) => (event.kind === 'gap' || event.kind === 'end' ? undefined : messageOf(event, 'full')))
        .map((message) => Buffer.concat([message!.head, message!.body]).toString('hex'));
      const sent = new Set(bodies);
      const isEnd = (body: Buffer): boolean => body.length <= 5 || body.toString('hex').startsWith('1702');
      const lost = tags.filter(({ body }) => !sent.has(body.toString('hex')) && !isEnd(body));
      // Of all but empty ones, only FLAC's second announcement (and its layout, again) is not sent on.
      expect(lost.map(({ timestamp }) => timestamp)).toEqual(fixture === 'av1-flac' ? [200] : []);
      expect(sent.size).toBe(bodies.length);
    },
  );

  it('leaves temporal delimiters out of AV1, and FullBox headers out of vpcC', () => {
    const av1 = run(flvFixture('av1-flac').map(({ type, timestamp, body }): Message => [type, timestamp, body]));
    for (const event of av1.events)
      if (event.kind === 'frame' && isVideoTrack(event.track)) expect(event.data[0]).not.toBe(0x12);
    const vp9 = run(flvFixture('vp9-ac3').map(({ type, timestamp, body }): Message => [type, timestamp, body]));
    const records = vp9.events.flatMap((event) => (event.kind === 'config' ? [event.record.toString('hex')] : []));
    expect(records).toEqual(['000a820202020000', '900800']);
  });
});
