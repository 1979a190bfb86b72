import { describe, expect, it } from 'vitest';
import {
  CONNECT,
  CONNECTED,
  CREATE,
  command,
  connected,
  HELLO,
  hex,
  later,
  media,
  message,
  PUBLISH,
} from '../../../test/support/session-steps.ts';
import { TEST_LIMITS, traceSession } from '../../../test/support/session-trace.ts';
import { encodeAmf0 } from './amf0.ts';
import { RtmpSession } from './session.ts';

describe('RtmpSession: connect', () => {
  it('answers with E-RTMP abilities in both objects, and echoes the object encoding', () => {
    const sent: Buffer[] = [];
    const session = new RtmpSession(
      { limits: TEST_LIMITS, chunkSize: 4096, windowAckSize: 100_000 },
      {
        send: (bytes) => sent.push(bytes),
        onHandshake() {},
        onConnect() {},
        onPublish() {},
        onPlay() {},
        onMedia() {},
        onStop() {},
        onSkipped() {},
      },
    );
    session.receive(HELLO);
    session.receive(command(0, 'connect', 1, { app: 'live', objectEncoding: 3 }));
    const text = sent[1]?.toString('latin1') ?? '';
    expect(text.match(/fourCcList/g)).toHaveLength(2);
    expect(text.match(/capsEx\0@,\0\0\0\0\0\0/g)).toHaveLength(2); // 14
    expect(text).toContain('objectEncoding\0@\b\0\0\0\0\0\0'); // 3
    expect(sent[1]?.subarray(0, 49)).toEqual(
      hex(`02 000000 000004 05 00000000 000186a0
           02 000000 000005 06 00000000 000186a0 02
           02 000000 000004 01 00000000 00001000`),
    );
  });

  it.each([
    {
      name: 'FourCCs out of list and maps',
      object: { app: 'a', fourCcList: ['av01', 'hvc1'], audioFourCcInfoMap: { Opus: 7, '*': 4 } },
      want: 'fourcc [av01,hvc1,Opus,*] caps 0',
    },
    { name: 'capsEx', object: { app: 'a', capsEx: 15 }, want: 'fourcc [] caps 15' },
    {
      name: 'a tcUrl in lower case and in quotes',
      object: { app: 'a', tcurl: '"rtmp://h/a"' },
      want: 'connect a rtmp://h/a ""',
    },
    {
      name: 'values of wrong types',
      object: { app: 5, capsEx: 'x', fourCcList: [1, 'toolong'], objectEncoding: true },
      want: 'connect   "" encoding 0 fourcc [] caps 0',
    },
  ])('reads $name', ({ object, want }) => {
    const trace = traceSession();
    trace.receive(HELLO, command(0, 'connect', 1, object));
    expect(trace.lines.at(-1)).toContain(want);
  });

  it('ignores what comes after the object', () => {
    const trace = traceSession();
    trace.receive(HELLO, command(0, 'connect', 1, { app: 'live', tcUrl: 'rtmp://h/live', flashVer: 'F' }, true, 'x'));
    expect(trace.lines).toEqual(CONNECTED);
  });

  it.each([
    { name: 'another command first', bytes: CREATE },
    { name: 'connect twice', bytes: Buffer.concat([CONNECT, CONNECT]) },
    { name: 'connect without an object', bytes: command(0, 'connect', 1) },
  ])('closes on $name', ({ bytes }) => {
    const trace = traceSession();
    trace.receive(HELLO, bytes);
    expect(trace.lines.at(-1)).toBe('fault ERR_RTMP_COMMAND');
  });

  it('closes on a peer that is not RTMP', () => {
    const trace = traceSession();
    trace.receive(Buffer.from('GET / HTTP/1.1\r\n'));
    expect(trace.lines).toEqual(['fault ERR_RTMP_NOT_RTMP']);
  });
});

describe('RtmpSession: publish', () => {
  it('OBS: pipelined releaseStream, FCPublish, createStream; the end', () => {
    const trace = traceSession();
    trace.receive(
      HELLO,
      CONNECT,
      command(0, 'releaseStream', 2, null, 'test'),
      command(0, 'FCPublish', 3, null, 'test'),
      CREATE,
      PUBLISH,
      media(20, 'af01'),
      command(0, 'FCUnpublish', 6, null, 'test'),
      command(0, 'deleteStream', 7, null, 1),
    );
    expect(trace.lines).toEqual([
      ...CONNECTED,
      '> on 0: _result 2 null undefined',
      '> on 0: _result 3 null undefined',
      '> on 0: onFCPublish 0 null {status NetStream.Publish.Start}',
      '> on 0: _result 4 null 1',
      'publish live/test on 1 as live',
      '> on 1: onStatus 0 null {status NetStream.Publish.Start}',
      'media 8@20: af01/2',
      '> on 0: _result 6 null undefined',
      '> on 0: onFCUnpublish 0 null {status NetStream.Unpublish.Success}',
      'stop 1 FCUnpublish',
    ]);
  });

  it('keeps what comes before a late accept, and nothing is lost or turned around', () => {
    const trace = connected(later);
    trace.receive(PUBLISH, media(0, '01'), media(10, '02'), command(0, '_checkbw', 9, null));
    expect(trace.take()).toEqual(['publish live/test on 1 as live', '> on 0: _result 9 null undefined']);
    expect(trace.session.acceptPublish(2)).toBe(false);
    expect(trace.session.acceptPublish(1)).toBe(true);
    expect(trace.session.acceptPublish(1)).toBe(false);
    trace.receive(media(20, '03'));
    expect(trace.take()).toEqual([
      '> on 1: onStatus 0 null {status NetStream.Publish.Start}',
      'media 8@0: 01/1',
      'media 8@10: 02/1',
      'media 8@20: 03/1',
    ]);
  });

  it('keeps at most 8 MiB before the accept', () => {
    const trace = connected(later);
    const part = message(9, 1, Buffer.alloc(1024 * 1024));
    trace.receive(PUBLISH, ...Array.from({ length: 8 }, () => part));
    expect(trace.take()).toEqual(['publish live/test on 1 as live']);
    trace.receive(media(0, '01'));
    expect(trace.take()).toEqual(['fault ERR_RTMP_FLOOD']);
  });

  it('keeps at most 16,384 messages before the accept, empty ones too', () => {
    const trace = connected(later);
    trace.receive(PUBLISH, media(0, ''), Buffer.alloc(20_000, 0xc3));
    expect(trace.take()).toEqual(['publish live/test on 1 as live', 'fault ERR_RTMP_FLOOD']);
  });

  it('a publisher that gives up before the accept is not accepted', () => {
    const trace = connected(later);
    trace.receive(PUBLISH, media(0, '01'), command(0, 'deleteStream', 0, null, 1));
    expect(trace.take()).toEqual(['publish live/test on 1 as live', 'stop 1 deleteStream']);
    expect(trace.session.acceptPublish(1)).toBe(false);
    trace.session.rejectPublish(1, 'NetStream.Publish.BadName', 'x');
    expect(trace.take()).toEqual([]);
  });

  it('refuses, and lets the client try again', () => {
    const trace = connected(later);
    trace.receive(PUBLISH, media(0, '01'));
    trace.session.rejectPublish(1, 'NetStream.Publish.BadName', 'busy');
    trace.receive(media(1, '02'), command(1, 'publish', 5, null, 'other'));
    trace.session.acceptPublish(1);
    trace.receive(media(2, '03'));
    expect(trace.take()).toEqual([
      'publish live/test on 1 as live',
      '> on 1: onStatus 0 null {error NetStream.Publish.BadName}',
      'skipped ERR_RTMP_STRAY_MEDIA',
      'publish live/other on 1 as live',
      '> on 1: onStatus 0 null {status NetStream.Publish.Start}',
      'media 8@2: 03/1',
    ]);
  });

  it('publishes again on the same connection, on the stream id that became free', () => {
    const trace = connected();
    trace.receive(PUBLISH, command(0, 'deleteStream', 0, null, 1), CREATE, PUBLISH, media(1, '01'));
    expect(trace.take()).toEqual([
      'publish live/test on 1 as live',
      '> on 1: onStatus 0 null {status NetStream.Publish.Start}',
      'stop 1 deleteStream',
      '> on 0: _result 4 null 1',
      'publish live/test on 1 as live',
      '> on 1: onStatus 0 null {status NetStream.Publish.Start}',
      'media 8@1: 01/1',
    ]);
  });

  it('closeStream ends it too; of another stream it ends nothing', () => {
    const trace = connected();
    trace.receive(PUBLISH, command(2, 'closeStream', 0, null), command(0, 'deleteStream', 0, null, 7));
    expect(trace.take()).toHaveLength(2);
    trace.receive(command(1, 'closeStream', 0, null), media(3, '01'));
    expect(trace.take()).toEqual(['stop 1 closeStream', 'skipped ERR_RTMP_STRAY_MEDIA']);
  });

  it('a second stream on the connection is refused, the first goes on', () => {
    const trace = connected();
    trace.receive(
      PUBLISH,
      CREATE,
      command(2, 'publish', 8, null, 'b'),
      command(1, 'play', 9, null, 'c'),
      media(3, '01'),
      media(3, '02', 2),
    );
    expect(trace.take().slice(2)).toEqual([
      '> on 0: _result 4 null 2',
      '> on 2: onStatus 0 null {error NetStream.Publish.BadName}',
      'skipped ERR_RTMP_SECOND_STREAM',
      '> on 1: onStatus 0 null {error NetStream.Play.Failed}',
      'skipped ERR_RTMP_SECOND_STREAM',
      'media 8@3: 01/1',
      'skipped ERR_RTMP_STRAY_MEDIA',
    ]);
  });

  it('tells a client what is wrong with its path, then closes', () => {
    const trace = connected();
    trace.receive(command(1, 'publish', 5, null, '../x', 'live'));
    expect(trace.take()).toEqual([
      '> on 1: onStatus 0 null {error NetStream.Publish.Rejected}',
      'fault ERR_RTMP_BAD_PATH',
    ]);
  });

  it.each([
    { name: 'no name', values: ['publish', 5, null], want: 'fault ERR_RTMP_BAD_PATH' },
    { name: 'a null name', values: ['publish', 5, null, null], want: 'fault ERR_RTMP_BAD_PATH' },
    {
      name: 'no type',
      values: ['publish', 5, null, 'a'],
      want: '> on 1: onStatus 0 null {status NetStream.Publish.Start}',
    },
  ])('publish with $name', ({ values, want }) => {
    const trace = connected();
    trace.receive(command(1, ...values));
    expect(trace.lines.at(-1)).toBe(want);
  });

  it('is ended by the server with or without an error', () => {
    for (const [code, level] of [
      ['NetStream.Unpublish.Success', 'status'],
      ['NetStream.Publish.BadName', 'error'],
    ] as const) {
      const trace = connected();
      trace.receive(PUBLISH);
      trace.take();
      trace.session.unpublishedByServer(code, 'why');
      trace.session.unpublishedByServer(code, 'twice');
      trace.receive(media(0, '01'));
      expect(trace.take()).toEqual([`> on 1: onStatus 0 null {${level} ${code}}`, 'skipped ERR_RTMP_STRAY_MEDIA']);
    }
  });

  it('stops giving out held media when the handler ends the publication meanwhile', () => {
    const trace = connected(later);
    trace.receive(PUBLISH, media(0, '01'), media(1, '02'));
    trace.take();
    const push = trace.lines.push.bind(trace.lines);
    trace.lines.push = (line: string) => {
      const length = push(line);
      if (line.startsWith('media')) trace.session.unpublishedByServer('NetStream.Publish.Denied', 'enough');
      return length;
    };
    trace.session.acceptPublish(1);
    expect(trace.take().filter((line) => line.startsWith('media'))).toEqual(['media 8@0: 01/1']);
  });

  it('takes apart aggregates, turns AMF3 data into data, takes media on message stream 0', () => {
    const trace = connected();
    const data = encodeAmf0('onCuePoint', { a: 1 });
    trace.receive(
      PUBLISH,
      message(22, 1, hex('08 000002 0000c8 00 000000 af01 0000000d 04 000001 0000dc 00 000000 17 0000000c 09'), 1000),
      message(15, 1, Buffer.concat([Buffer.of(0), data]), 7),
      message(15, 1, data, 8),
      media(9, 'aa', 0),
    );
    expect(trace.take().slice(2)).toEqual([
      'media 8@1000: af01/2',
      'skipped ERR_RTMP_AGGREGATE',
      'skipped ERR_RTMP_AGGREGATE',
      `media 18@7: ${data.subarray(0, 8).toString('hex')}/${data.length}`,
      `media 18@8: ${data.subarray(0, 8).toString('hex')}/${data.length}`,
      'media 8@9: aa/1',
    ]);
  });

  it('reads commands of type 17, with the format byte and without', () => {
    const trace = traceSession();
    const body = encodeAmf0('connect', 1, { app: 'live', tcUrl: 'rtmp://h/live', flashVer: 'F' });
    trace.receive(
      HELLO,
      message(17, 0, Buffer.concat([Buffer.of(0), body])),
      message(17, 0, encodeAmf0('createStream', 4, null)),
    );
    expect(trace.take()).toEqual([...CONNECTED, '> on 0: _result 4 null 1']);
  });
});

describe('RtmpSession: everything else', () => {
  it('answers unknown calls, but not answers and not what wants none', () => {
    const trace = connected();
    trace.receive(
      command(0, 'FCSubscribe', 7, null, 'test'),
      command(0, 'whatever', 0, null),
      command(0, '_result', 8, null),
      command(0, '_error', 9, null),
      command(0, 'onStatus', 10, null),
    );
    expect(trace.take()).toEqual(['> on 0: _result 7 null undefined']);
  });

  it('a command whose last argument is broken is still a command', () => {
    const trace = connected();
    trace.receive(message(20, 1, Buffer.concat([encodeAmf0('publish', 5, null, 'test'), hex('02 00ff 61')])));
    expect(trace.take().at(0)).toBe('publish live/test on 1 as live');
  });

  it.each([
    { name: 'a command without a name', bytes: command(0, 5), want: ['skipped ERR_RTMP_UNREADABLE_COMMAND'] },
    { name: 'an empty command', bytes: message(20, 0, hex('')), want: ['skipped ERR_RTMP_UNREADABLE_COMMAND'] },
    { name: 'a shared object', bytes: message(19, 0, hex('00')), want: ['skipped ERR_RTMP_UNKNOWN_MESSAGE'] },
    { name: 'type 0', bytes: message(0, 0, hex('')), want: ['skipped ERR_RTMP_UNKNOWN_MESSAGE'] },
    { name: 'a ping', bytes: message(4, 0, hex('0006 01020304')), want: ['> event 7(16909060)'] },
    { name: 'a pong', bytes: message(4, 0, hex('0007 01020304')), want: [] },
    { name: 'a ping that is too short', bytes: message(4, 0, hex('0006 0102')), want: [] },
    { name: 'an empty event', bytes: message(4, 0, hex('')), want: [] },
    { name: 'a bandwidth', bytes: message(6, 0, hex('000f4240 02')), want: ['> control 5(1000000)'] },
    {
      name: 'a bandwidth twice',
      bytes: Buffer.concat([message(6, 0, hex('000f4240 02')), message(6, 0, hex('000f4240 00'))]),
      want: ['> control 5(1000000)'],
    },
    { name: 'a bandwidth that is too short', bytes: message(6, 0, hex('0102')), want: [] },
    { name: 'an acknowledgement', bytes: message(3, 0, hex('00000010')), want: [] },
    { name: 'a window that is too short', bytes: message(5, 0, hex('00')), want: [] },
    { name: 'media before publish', bytes: media(0, 'af'), want: ['skipped ERR_RTMP_STRAY_MEDIA'] },
    {
      name: 'a discarded message',
      bytes: hex(`04 000000 000081 08 01000000 ${'00'.repeat(128)} 04 000000 000000 08 01000000`),
      want: ['skipped ERR_RTMP_DISCARDED', 'skipped ERR_RTMP_STRAY_MEDIA'],
    },
  ])('$name', ({ bytes, want }) => {
    const trace = connected();
    trace.receive(bytes);
    expect(trace.take()).toEqual(want);
  });

  it('passes over 10,000 odd messages of who does not publish, and any number of who does', () => {
    const trace = connected();
    trace.receive(media(0, ''), Buffer.alloc(9_999, 0xc3));
    expect(new Set(trace.take())).toEqual(new Set(['skipped ERR_RTMP_STRAY_MEDIA']));
    trace.receive(PUBLISH, media(0, '', 9), Buffer.alloc(20_000, 0xc3));
    expect(trace.take().slice(2)).toHaveLength(20_001);
    trace.receive(command(1, 'closeStream', 0, null), media(0, ''));
    expect(trace.take()).toEqual(['stop 1 closeStream', 'skipped ERR_RTMP_STRAY_MEDIA', 'fault ERR_RTMP_FLOOD']);
  });

  it('refuses the 33rd message stream', () => {
    const trace = connected();
    trace.receive(...Array.from({ length: 31 }, () => CREATE));
    expect(trace.take().at(-1)).toBe('> on 0: _result 4 null 32');
    trace.receive(CREATE);
    expect(trace.take()).toEqual(['fault ERR_RTMP_STREAMS']);
  });

  it('pings', () => {
    const trace = connected();
    trace.session.ping(2 ** 32 + 5.5);
    expect(trace.take()).toEqual(['> event 6(5)']);
  });

  it('does not acknowledge what nobody asked to have acknowledged', () => {
    const trace = connected();
    trace.receive(PUBLISH, ...Array.from({ length: 50 }, () => message(9, 1, Buffer.alloc(100_000))));
    expect(trace.take().filter((line) => line.startsWith('> control'))).toEqual([]);
  });

  it('acknowledges at half the window, handshake included', () => {
    const trace = connected();
    const before = HELLO.length + CONNECT.length + CREATE.length;
    const window = message(5, 0, hex('00004e20'));
    trace.receive(window);
    expect(trace.take()).toEqual([]);
    const filler = message(3, 0, hex('00000000'));
    const count = Math.ceil((10_000 - before - window.length) / filler.length);
    trace.receive(...Array.from({ length: count - 1 }, () => filler));
    expect(trace.take()).toEqual([]);
    trace.receive(filler);
    expect(trace.take()).toEqual([`> control 3(${before + window.length + count * filler.length})`]);
    trace.receive(filler);
    expect(trace.take()).toEqual([]);
  });
});
