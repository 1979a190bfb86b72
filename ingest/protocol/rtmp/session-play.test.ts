import { describe, expect, it } from 'vitest';
import {
  CREATE,
  command,
  connected,
  hex,
  later,
  media,
  message,
  PLAY,
  PLAYING,
} from '../../../test/support/session-steps.ts';

describe('RtmpSession: play', () => {
  it('ffmpeg: begin, reset, start, in the order all players accept; then the end', () => {
    const trace = connected();
    trace.receive(command(0, 'getStreamLength', 3, null, 'test'), PLAY, message(4, 0, hex('0003 00000001 00000bb8')));
    expect(trace.take()).toEqual(['> on 0: _result 3 null 0', 'play live/test on 1 from -2000', ...PLAYING]);
    trace.session.endPlay();
    trace.session.endPlay();
    expect(trace.take()).toEqual([
      '> on 1: onStatus 0 null {status NetStream.Play.UnpublishNotify}',
      '> on 1: onStatus 0 null {status NetStream.Play.Stop}',
      '> event 1(1)',
    ]);
  });

  it('can be answered later, or refused', () => {
    const trace = connected(later);
    trace.receive(PLAY);
    expect(trace.take()).toEqual(['play live/test on 1 from -2000']);
    trace.session.rejectPlay(1, 'NetStream.Play.StreamNotFound', 'nobody');
    expect(trace.session.acceptPlay(1)).toBe(false);
    trace.receive(PLAY);
    expect(trace.session.acceptPlay(1)).toBe(true);
    expect(trace.take()).toEqual([
      '> on 1: onStatus 0 null {error NetStream.Play.StreamNotFound}',
      'play live/test on 1 from -2000',
      ...PLAYING,
    ]);
  });

  it('ends a wait for a publisher: the player hears that the stream is over', () => {
    const trace = connected(later);
    trace.receive(PLAY);
    trace.take();
    trace.session.endPlay();
    expect(trace.take().at(0)).toContain('UnpublishNotify');
  });

  it('is only on message stream 1: all viewers get the same bytes', () => {
    const trace = connected();
    trace.receive(CREATE, command(2, 'play', 6, null, 'test'));
    expect(trace.take()).toEqual([
      '> on 0: _result 4 null 2',
      '> on 2: onStatus 0 null {error NetStream.Play.Failed}',
      'skipped ERR_RTMP_SECOND_STREAM',
    ]);
  });

  it('a player that stops is told of, and its media is not wanted', () => {
    const trace = connected();
    trace.receive(PLAY, media(0, '01'), command(1, 'closeStream', 0, null), PLAY);
    expect(trace.take()).toEqual([
      'play live/test on 1 from -2000',
      ...PLAYING,
      'skipped ERR_RTMP_STRAY_MEDIA',
      'stop 1 closeStream',
      'play live/test on 1 from -2000',
      ...PLAYING,
    ]);
  });

  it('answers pause and seek, and goes on', () => {
    const trace = connected();
    trace.receive(PLAY);
    trace.take();
    trace.receive(
      command(1, 'pause', 0, null, true, 0),
      command(1, 'pause', 0, null, false, 0),
      command(1, 'seek', 0, null, 0),
    );
    expect(trace.take()).toEqual([
      '> on 1: onStatus 0 null {status NetStream.Pause.Notify}',
      '> on 1: onStatus 0 null {status NetStream.Unpause.Notify}',
      '> on 1: onStatus 0 null {status NetStream.Seek.Notify}',
    ]);
  });
});
