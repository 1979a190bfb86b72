import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PesAssembler, PesMemory, type PesUnit, type UnitEnd } from './pes.ts';

/** A header with these times, a length of 0 unless `size` says otherwise, and some stuffing. */
function pes({
  pts,
  dts,
  size,
  stuffing = 0,
}: {
  pts?: number;
  dts?: number;
  size?: number;
  stuffing?: number;
}): Buffer {
  const times = pts === undefined ? [] : dts === undefined ? [time(2, pts)] : [time(3, pts), time(1, dts)];
  const fields = Buffer.concat([...times, Buffer.alloc(stuffing, 0xff)]);
  const flags = pts === undefined ? 0 : dts === undefined ? 0x80 : 0xc0;
  const head = Buffer.from([0, 0, 1, 0xe0, 0, 0, 0x84, flags, fields.length]);
  if (size !== undefined) head.writeUInt16BE(3 + fields.length + size, 4);
  return Buffer.concat([head, fields]);
}

function time(prefix: number, value: number): Buffer {
  const bits = BigInt(value);
  const at = (shift: number, mask: number): number => Number((bits >> BigInt(shift)) & BigInt(mask));
  return Buffer.from([
    (prefix << 4) | (at(30, 7) << 1) | 1,
    at(22, 255),
    (at(15, 127) << 1) | 1,
    at(7, 255),
    (at(0, 127) << 1) | 1,
  ]);
}

function assembler(end: UnitEnd, memory = new PesMemory()): { pes: PesAssembler; log: string[] } {
  const log: string[] = [];
  const text = ({ pts, dts, bytes, from, to }: PesUnit): string =>
    `${pts ?? '-'}/${dts ?? '-'} ${bytes.toString('latin1', from, to)}`;
  const handler = {
    onUnit: (unit: PesUnit) => void log.push(`unit ${text(unit)}`),
    onDamage: (partial: PesUnit | undefined, code: string) =>
      void log.push(`${code}${partial ? ` ${text(partial)}` : ''}`),
  };
  return { pes: new PesAssembler(handler, end, 64, memory), log };
}

/** Hands `bytes` over as the payload of packets that end at `cuts`. */
function feed(to: PesAssembler, bytes: Buffer, cuts: readonly number[] = []): void {
  const ends = [...new Set([...cuts.filter((cut) => cut > 0 && cut < bytes.length), bytes.length])].sort(
    (a, b) => a - b,
  );
  ends.forEach((end, i) => {
    const from = i === 0 ? 0 : ends[i - 1]!;
    if (i === 0) to.begin(bytes, from, end, 1);
    else to.append(bytes, from, end, 1);
  });
}

const text = (value: string): Buffer => Buffer.from(value);

describe('PesAssembler', () => {
  it.each<UnitEnd>(['counted', 'next'])('%s: units come whole, however they are cut into packets', (end) => {
    const unit = fc.record({
      pts: fc.nat(2 ** 33 - 1),
      hasSize: fc.boolean(),
      stuffing: fc.nat(30),
      data: fc.string({ unit: 'grapheme-ascii', maxLength: 200 }),
      cuts: fc.array(fc.nat(250)),
    });
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 8 }), (units) => {
        const { pes: to, log } = assembler(end);
        for (const { pts, hasSize, stuffing, data, cuts } of units) {
          feed(to, Buffer.concat([pes({ pts, ...(hasSize && { size: data.length }), stuffing }), text(data)]), cuts);
        }
        to.end(true);
        expect(log).toEqual(units.map(({ pts, data }) => `unit ${pts}/${pts} ${data}`));
      }),
    );
  });

  it('reads both times, and all 33 bits of them', () => {
    const { pes: to, log } = assembler('next');
    feed(to, Buffer.concat([pes({ pts: 2 ** 33 - 1, dts: 0x155555555 }), text('x')]));
    to.end(true);
    expect(log).toEqual([`unit ${2 ** 33 - 1}/${0x155555555} x`]);
  });

  it('a counted unit is whole with its last byte; what follows it is none of it', () => {
    const { pes: to, log } = assembler('counted');
    feed(to, Buffer.concat([pes({ pts: 5, size: 3 }), text('abc??')]));
    expect(log).toEqual(['unit 5/5 abc']);
    to.append(text('???'), 0, 3, 1);
    to.end(true);
    expect(log).toHaveLength(1);
  });

  it('a picture that is longer than its length says is whole with the next one: lengths overflow', () => {
    const { pes: to, log } = assembler('next');
    feed(to, Buffer.concat([pes({ pts: 5, size: 3 }), text('abc')]));
    to.append(text('def'), 0, 3, 1);
    feed(to, Buffer.concat([pes({ pts: 9, size: 2 }), text('gh')]));
    to.damage('ERR_TS_CONTINUITY'); // no length tells any more that all had come
    expect(log).toEqual(['unit 5/5 abcdef', 'ERR_TS_CONTINUITY 9/9 gh']);
  });

  it('packets without a time go on with the unit before them', () => {
    const { pes: to, log } = assembler('next');
    feed(to, Buffer.concat([pes({ pts: 5, size: 2 }), text('ab')]));
    feed(to, Buffer.concat([pes({ size: 3 }), text('cde')]), [4, 12]);
    feed(to, Buffer.concat([pes({ pts: 9 }), text('f')]));
    expect(log).toEqual(['unit 5/5 abcde']);
  });

  it('says what is damaged, and goes on with the next that begins', () => {
    const { pes: to, log } = assembler('next');
    feed(to, Buffer.concat([pes({ pts: 5 }), text('ab')]));
    to.damage('ERR_TS_CONTINUITY');
    to.append(text('lost'), 0, 4, 1);
    feed(to, Buffer.concat([pes({ pts: 9, size: 2 }), text('cd')]));
    to.damage('ERR_TS_CONTINUITY'); // behind a unit that is whole by its length
    to.damage('ERR_TS_CONTINUITY');
    feed(to, Buffer.concat([pes({ pts: 20, size: 9 }), text('ef')]));
    feed(to, Buffer.concat([pes({ pts: 30, size: 2 }), text('gh')])); // too early
    to.end(false);
    expect(log).toEqual([
      'ERR_TS_CONTINUITY 5/5 ab',
      ...['unit 9/9 cd', 'ERR_TS_CONTINUITY', 'ERR_TS_CONTINUITY'],
      ...['ERR_TS_PES 20/20 ef', 'unit 30/30 gh'],
    ]);
  });

  it('at the end a unit without a length is whole if its packet was filled up', () => {
    for (const [isPadded, want] of [
      [true, 'unit 5/5 ab'],
      [false, 'ERR_TS_PES 5/5 ab'],
    ] as const) {
      const { pes: to, log } = assembler('next');
      feed(to, Buffer.concat([pes({ pts: 5 }), text('ab')]));
      to.end(isPadded);
      expect(log).toEqual([want]);
    }
  });

  it('what has no header is not one', () => {
    const { pes: to, log } = assembler('next');
    feed(to, Buffer.from('000001be000f8480052100010001', 'hex')); // padding
    feed(to, Buffer.from('000002e0000084800521000100016161', 'hex'));
    feed(to, Buffer.from('000001e0000004800521000100016161', 'hex')); // MPEG-1
    feed(to, Buffer.from('000001', 'hex')); // cut short
    to.end(true);
    expect(log).toEqual(Array(4).fill('ERR_TS_PES'));
  });

  it('a unit that does not end is given up', () => {
    const { pes: to, log } = assembler('next');
    feed(to, Buffer.concat([pes({ pts: 5 }), text('ab')]));
    const more = Buffer.alloc(1024 * 1024);
    for (let i = 0; i < 16; i++) to.append(more, 0, more.length, 1);
    expect(log.map((each) => each.slice(0, 26))).toEqual(['ERR_TS_UNIT_TOO_LARGE 5/5 ']);
  });

  it('knows a packet that is sent twice', () => {
    const { pes: to } = assembler('next');
    const bytes = Buffer.concat([pes({ pts: 5 }), text('abcdef')]);
    feed(to, bytes);
    expect(to.endsWith(bytes, 0, bytes.length)).toBe(true);
    expect(to.endsWith(text('abcdeg'), 0, 6)).toBe(false);
    expect(to.endsWith(Buffer.alloc(100), 0, 100)).toBe(false);
  });
});
