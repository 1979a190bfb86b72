import { beforeEach, describe, expect, it } from 'vitest';
import { TsDemuxer } from './demuxer.ts';
import { encodeTables, type MuxStream, pesPacketCount, writePes } from './muxer.ts';

const NONE = Buffer.alloc(0);
const VIDEO = { pid: 0x100, type: 0x1b, descriptors: NONE };
const AUDIO = { pid: 0x101, type: 0x0f, descriptors: NONE };

let log: string[] = [];
let demuxer: TsDemuxer;
beforeEach(() => {
  log = [];
  demuxer = new TsDemuxer({
    onProgram: (streams) => void log.push(`program ${streams.map(({ pid, kind }) => `${pid}:${kind}`).join()}`),
    onUnit: ({ pid }, { pts, bytes, from, to }) => void log.push(`${pid} ${pts} ${bytes.toString('latin1', from, to)}`),
    onDamage: ({ pid }, partial) => void log.push(`${pid} damage ${partial?.pts ?? '-'}`),
    onVideoStart: (_stream, _bytes, _at, _payload, isRandomAccess) => {
      if (isRandomAccess) log.push('entry');
    },
    onDiscontinuity: () => void log.push('discontinuity'),
    onSkipped: (code) => void log.push(code),
  });
});

const push = (...packets: Buffer[]): void => {
  const bytes = Buffer.concat(packets);
  demuxer.push(bytes, 0, bytes.length, 0);
};
const tables = (streams: readonly MuxStream[] = [VIDEO, AUDIO], version = 0): Buffer =>
  encodeTables(streams, VIDEO.pid, version);

/** The packets of a PES packet, from counter `counter` on. */
function unit({ pid }: MuxStream, pts: number, data: string, counter: number): Buffer[] {
  const head = { pid, streamId: 0xe0, pts, dts: pts, clock: undefined, isRandomAccess: false };
  const bytes = Buffer.from(data);
  const out = Buffer.alloc(188 * pesPacketCount(head, bytes.length));
  writePes(out, 0, head, counter, bytes, 0, bytes.length);
  return Array.from({ length: out.length / 188 }, (_, i) => out.subarray(188 * i, 188 * i + 188));
}

const LONG = 'x'.repeat(400);

describe('TsDemuxer', () => {
  it('reads the streams of the program, whatever else is sent', () => {
    const private_ = Buffer.alloc(188, 0x55).fill(Buffer.from([0x47, 0x01, 0xf4, 0x10]), 0, 4);
    const stuffing = Buffer.alloc(188, 0xff).fill(Buffer.from([0x47, 0x1f, 0xff, 0x10]), 0, 4);
    push(private_, ...unit(VIDEO, 1, 'early', 0), tables(), stuffing, ...unit(AUDIO, 5, 'sound', 0), private_);
    push(...unit(VIDEO, 7, LONG, 1), ...unit(VIDEO, 9, 'next', 4));
    demuxer.end();
    expect(log).toEqual(['program 256:h264,257:aac-adts', '257 5 sound', `256 7 ${LONG}`, '256 9 next']);
    expect(demuxer.tables.equals(tables())).toBe(true);
  });

  it('packets that are missing cost the unit they belong to', () => {
    push(
      tables(),
      ...unit(VIDEO, 7, LONG, 0).filter((_, i) => i !== 1),
      ...unit(VIDEO, 9, 'a', 3),
      ...unit(VIDEO, 11, 'b', 5),
    );
    demuxer.end();
    expect(log.slice(1)).toEqual([
      ...['ERR_TS_CONTINUITY', '256 damage 7'],
      // The unit with time 9 is whole by its length: the loss is behind it.
      ...['256 9 a', 'ERR_TS_CONTINUITY', '256 damage -', '256 11 b'],
    ]);
  });

  it('a packet that is sent twice is taken once, another one with its counter is a loss', () => {
    const [first, second, third] = unit(VIDEO, 7, LONG, 0);
    push(tables(), first!, second!, second!, third!, ...unit(VIDEO, 9, 'a', 3));
    push(...unit(VIDEO, 11, 'b', 3));
    demuxer.end();
    expect(log.slice(1)).toEqual([`256 7 ${LONG}`, '256 9 a', 'ERR_TS_CONTINUITY', '256 damage -', '256 11 b']);
  });

  it('flagged errors, scrambling and lengths that lie cost a unit too', () => {
    const spoil = (change: (packet: Buffer) => void): Buffer[] => {
      const [first, second, third] = unit(VIDEO, 7, LONG, 0).map((each) => Buffer.from(each));
      change(second!);
      return [first!, second!, third!];
    };
    push(tables());
    push(...spoil((packet) => (packet[1]! |= 0x80)), ...unit(VIDEO, 20, 'a', 3));
    push(...spoil((packet) => (packet[3]! |= 0xc0)).map((each) => each), ...unit(VIDEO, 21, 'b', 3));
    push(...spoil((packet) => packet.fill(Buffer.from([0x31, 0xff]), 3, 5)), ...unit(VIDEO, 22, 'c', 3));
    demuxer.end();
    const codes = log.filter((each) => each.startsWith('ERR'));
    expect(new Set(codes)).toEqual(new Set(['ERR_TS_CONTINUITY', 'ERR_TS_SCRAMBLED']));
    expect(log.filter((each) => /^256 \d+ \w$/.test(each))).toEqual(['256 20 a', '256 21 b', '256 22 c']);
    expect(log.some((each) => each.includes('xx'))).toBe(false);
  });

  it('a flagged discontinuity of its counter is none, where a unit begins; on the clock it is said', () => {
    const next = Buffer.concat(unit(VIDEO, 9, 'a', 9));
    expect(next[3]! >> 4).toBe(3); // filled up, so that there is a field for the flag
    next[5] = 0x80;
    push(tables(), ...unit(VIDEO, 7, 'z', 0), next);
    demuxer.end();
    expect(log.slice(1)).toEqual(['discontinuity', '256 7 z', '256 9 a']);
  });

  it('losses that a counter cannot tell cost what is under way', () => {
    push(tables(), unit(VIDEO, 7, LONG, 0)[0]!, ...unit(AUDIO, 5, 'sound', 0));
    demuxer.lost(2000);
    push(...unit(VIDEO, 7, LONG, 0).slice(1));
    demuxer.lost(4000);
    push(...unit(VIDEO, 9, 'a', 3));
    demuxer.end();
    expect(log.slice(1)).toEqual([
      '257 5 sound',
      ...[`256 7 ${LONG}`, 'ERR_TS_CONTINUITY', '256 damage -', 'ERR_TS_CONTINUITY', '257 damage -', '256 9 a'],
      // Nothing came of the sound since.
      ...['ERR_TS_CONTINUITY', '257 damage -'],
    ]);
  });

  it('streams that go on do so when the program changes', () => {
    const [first, ...rest] = unit(VIDEO, 7, LONG, 0);
    const other = { ...AUDIO, pid: 0x102, type: 0x81 };
    push(
      tables(),
      first!,
      ...unit(AUDIO, 5, 'sound', 0),
      tables([VIDEO, other], 1),
      ...rest,
      ...unit(AUDIO, 9, 'gone', 1),
    );
    push(...unit(other, 9, 'new', 0));
    demuxer.end();
    expect(log).toEqual([
      ...['program 256:h264,257:aac-adts', '257 5 sound', 'program 256:h264,258:ac3', '258 9 new', `256 7 ${LONG}`],
    ]);
  });

  it('tables that are repeated or broken change nothing', () => {
    const broken = Buffer.from(tables([VIDEO], 3));
    broken[188 + 20]! ^= 1;
    push(tables(), tables(), broken, tables());
    expect(log).toEqual(['program 256:h264,257:aac-adts', 'ERR_TS_TABLE']);
  });

  it('of several programs the first with streams that are known is read', () => {
    const all = tables([{ ...VIDEO, type: 0x02 }]);
    push(all); // MPEG-2 video: of no use here
    expect(log).toEqual([]);
    push(tables([VIDEO], 1));
    expect(log).toEqual(['program 256:h264']);
  });

  const changed = (i: number): Buffer => tables([{ ...VIDEO, pid: 0x100 + (i % 50) }], i % 32);
  const programs = (): number => log.filter((each) => each.startsWith('program')).length;

  it('a program that never stops changing is not followed until a minute is over', () => {
    for (let i = 0; i < 110; i++) push(changed(i));
    expect(programs()).toBe(100);
    expect(log.at(-1)).toBe('ERR_TS_TABLE');
    const again = changed(109);
    demuxer.push(again, 0, again.length, 60_000);
    expect(programs()).toBe(101);
  });

  it('a program is followed as often as it changes in days', () => {
    for (let i = 0; i < 2000; i++) {
      const table = changed(i);
      demuxer.push(table, 0, table.length, i * 1000);
    }
    expect(programs()).toBe(2000);
  });

  it('units that never end do not fill the memory, however many streams have one', () => {
    const streams = Array.from({ length: 30 }, (_, i) => ({ pid: 0x200 + i, type: 0x0f, descriptors: NONE }));
    push(tables(streams));
    const size = 4 * 1024 * 1024;
    for (const stream of streams) {
      // All but its end.
      const open = unit({ ...stream, type: 0x1b }, 1, 'x'.repeat(size), 0).slice(0, -1);
      push(...open);
    }
    expect(log.filter((each) => each === 'ERR_TS_UNIT_TOO_LARGE').length).toBeGreaterThan(10);
    push(...unit(streams[0]!, 9, 'sound', 15));
    demuxer.end();
  });
});
