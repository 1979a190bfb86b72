import { describe, expect, it } from 'vitest';
import { Fault } from '../runtime/fault.ts';
import { openLog } from './log.ts';

function collector() {
  const lines: string[] = [];
  let flushed = 0;
  return {
    lines,
    flushes: () => flushed,
    output: {
      write: (line: string) => lines.push(line),
      flushSync: () => {
        flushed += 1;
      },
    },
  };
}

describe('openLog', () => {
  it('writes one JSON object a line, with the level in words and an ISO time', () => {
    const { lines, output } = collector();
    const { log } = openLog({ level: 'info', format: 'json' }, output);
    log.child({ conn_id: 'c000001' }).warn({ stream_key: 'live/test' }, 'recording started');
    expect(lines).toHaveLength(1);
    const { time, ...rest } = JSON.parse(lines[0]!);
    expect(rest).toEqual({
      level: 'WARN',
      conn_id: 'c000001',
      stream_key: 'live/test',
      msg: 'recording started',
    });
    expect(new Date(time).toISOString()).toBe(time);
  });

  it('leaves out what is below the level', () => {
    const { lines, output } = collector();
    const { log } = openLog({ level: 'warn', format: 'json' }, output);
    log.debug({}, 'a');
    log.info({}, 'b');
    log.error({}, 'c');
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual(['c']);
  });

  it.each(['json', 'pretty'] as const)('hides secrets (%s)', (format) => {
    const { lines, output } = collector();
    const { log } = openLog({ level: 'info', format }, output);
    log.info(
      { password: 'hunter2', s3: { secretAccessKey: 'hunter3' }, headers: { authorization: 'Bearer hunter4' } },
      'x',
    );
    log.child({ token: 'hunter5' }).info({}, 'y');
    expect(lines.join('')).not.toMatch(/hunter/);
    expect(lines.join('').match(/redacted/g)).toHaveLength(4);
  });

  it('writes one readable line when pretty', () => {
    const { lines, output } = collector();
    openLog({ level: 'info', format: 'pretty' }, output).log.info({ addr: ':1935' }, 'RTMP server listening');
    expect(lines).toEqual([
      expect.stringMatching(/^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: RTMP server listening .*":1935".*\n$/),
    ]);
  });

  it('keeps the stack of an error', () => {
    const { lines, output } = collector();
    openLog({ level: 'info', format: 'json' }, output).log.error({ err: new Error('no room') }, 'x');
    expect(JSON.parse(lines[0]!).err).toMatchObject({
      message: 'no room',
      stack: expect.stringContaining('log.test.ts'),
    });
  });

  it('says a fault in a sentence, with its cause and without its stack', () => {
    const { lines, output } = collector();
    const { log } = openLog({ level: 'info', format: 'json' }, output);
    log.error({ err: new Fault('ERR_X', 'the disk is full', { cause: new Error('ENOSPC') }) }, 'x');
    log.error({ err: new Fault('ERR_X', 'cannot open: ENOENT', { cause: new Error('ENOENT') }) }, 'x');
    expect(lines.map((line) => JSON.parse(line).err)).toEqual([
      'ERR_X: the disk is full (ENOSPC)',
      'ERR_X: cannot open: ENOENT',
    ]);
  });

  it('flushes, and survives an output that is gone', () => {
    const { output, flushes } = collector();
    openLog({ level: 'info', format: 'json' }, output).flush();
    expect(flushes()).toBe(1);
    const broken = {
      write() {},
      flushSync() {
        throw new Error('EPIPE');
      },
    };
    expect(() => openLog({ level: 'info', format: 'json' }, broken).flush()).not.toThrow();
  });
});
