import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tsPackets } from '../../../test/support/ts-packets.ts';
import { crc32Mpeg } from './crc32.ts';
import { encodeTables } from './muxer.ts';
import { parseSection, SectionAssembler } from './psi.ts';
import { kindOfStream, opusChannelCode } from './stream-kind.ts';

/** A section of a table of its own with so many bytes of content. */
function section(table: number, size: number, fill = 0xab): Buffer {
  const out = Buffer.alloc(3 + 5 + size + 4, fill);
  out[0] = table;
  out.writeUInt16BE(0xb000 | (out.length - 3), 1);
  out[5] = 0xc1;
  out.writeUInt32BE(crc32Mpeg(out, 0, out.length - 4), out.length - 4);
  return out;
}

/** Sections in payloads of 184 bytes; each begins right behind the one before. */
function payloads(sections: readonly Buffer[]): { bytes: Buffer; hasStart: boolean }[] {
  const all = Buffer.concat(sections);
  const starts: number[] = [];
  for (let at = 0, i = 0; i < sections.length; at += sections[i++]!.length) starts.push(at);
  const out: { bytes: Buffer; hasStart: boolean }[] = [];
  for (let at = 0; at < all.length; ) {
    const begins = starts.find((start) => start >= at && start < at + 183);
    const room = begins === undefined ? 184 : 183;
    const body = all.subarray(at, at + room);
    const head = begins === undefined ? [] : [begins - at];
    out.push({
      bytes: Buffer.concat([Buffer.from(head), body, Buffer.alloc(room - body.length, 0xff)]),
      hasStart: begins !== undefined,
    });
    at += room;
  }
  return out;
}

function assemble(all: readonly { bytes: Buffer; hasStart: boolean }[]): string[] {
  const found: string[] = [];
  const assembler = new SectionAssembler();
  for (const { bytes, hasStart } of all) {
    assembler.push(bytes, 0, bytes.length, hasStart, (each) => void found.push(each.toString('hex')));
  }
  return found;
}

describe('SectionAssembler', () => {
  it('finds sections that span packets, and several in one', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(sizes, (all) => {
        const sections = all.map((size) => section(0x42, size));
        expect(assemble(payloads(sections))).toEqual(sections.map((each) => each.toString('hex')));
      }),
    );
  });

  it('goes on with the next one where a packet is missing', () => {
    const sections = [section(0x42, 500), section(0x43, 30)];
    const all = payloads(sections);
    const assembler = new SectionAssembler();
    const found: string[] = [];
    all.forEach(({ bytes, hasStart }, i) => {
      if (i === 1) assembler.reset();
      else assembler.push(bytes, 0, bytes.length, hasStart, (each) => void found.push(each.toString('hex')));
    });
    expect(found).toEqual([sections[1]!.toString('hex')]);
  });

  it('takes nothing from pointers and lengths that lie', () => {
    const lies = [
      { bytes: Buffer.alloc(184, 0xf0), hasStart: true }, // a pointer beyond the packet
      { bytes: Buffer.from(`0042ffff${'00'.repeat(180)}`, 'hex'), hasStart: true }, // 4,095 bytes
      { bytes: Buffer.alloc(184), hasStart: false },
    ];
    expect(assemble(lies)).toEqual([]);
  });
});

describe('tables', () => {
  const streams = [
    { pid: 0x100, type: 0x1b, descriptors: Buffer.alloc(0) },
    { pid: 0x101, type: 0x06, descriptors: Buffer.from('05044f7075737f028005', 'hex') },
  ];
  const sectionsOf = (bytes: Buffer): Buffer[] => {
    const found: Buffer[] = [];
    const assembler = new SectionAssembler();
    for (const packet of tsPackets(bytes)) {
      assembler.push(packet.bytes, 4, 188, packet.hasStart, (each) => void found.push(Buffer.from(each)));
    }
    return found;
  };

  it('come back as they were written', () => {
    const [pat, pmt] = sectionsOf(encodeTables(streams, 0x100, 7));
    expect(parseSection(pat!)).toEqual({ kind: 'pat', programs: [{ program: 1, pmtPid: 0x1000 }] });
    const read = parseSection(pmt!);
    expect(read).toMatchObject({
      kind: 'pmt',
      program: 1,
      pcrPid: 0x100,
      streams: [{ pid: 0x100, type: 0x1b }, { pid: 0x101 }],
    });
    if (read.kind !== 'pmt') throw new Error('no PMT');
    expect(read.streams.map(kindOfStream)).toEqual(['h264', 'opus']);
    expect(opusChannelCode(read.streams[1]!.descriptors)).toBe(5);
  });

  it('of many streams take several packets', () => {
    const many = Array.from({ length: 32 }, (_, i) => ({ ...streams[1]!, pid: 0x100 + i }));
    const bytes = encodeTables(many, 0x100, 0);
    expect(bytes.length).toBeGreaterThan(3 * 188);
    expect(parseSection(sectionsOf(bytes)[1]!)).toMatchObject({
      kind: 'pmt',
      streams: many.map(({ pid }) => ({ pid })),
    });
  });

  it('broken ones are, and those to come are left alone', () => {
    const [pat, pmt] = sectionsOf(encodeTables(streams, 0x100, 7));
    for (const each of [pat!, pmt!]) {
      const broken = Buffer.from(each);
      broken[9]! ^= 1;
      expect(parseSection(broken).kind).toBe('broken');
      expect(parseSection(each.subarray(0, 8)).kind).toBe('broken');
    }
    const next = Buffer.from(pmt!);
    next[5]! &= 0xfe;
    next.writeUInt32BE(crc32Mpeg(next, 0, next.length - 4), next.length - 4);
    expect(parseSection(next).kind).toBe('other');
    expect(parseSection(section(0x42, 10)).kind).toBe('other');
    const long = section(2, 9, 0xff); // loops that go past the end
    expect(parseSection(long).kind).toBe('broken');
  });

  it('descriptors tell what private streams hold', () => {
    const kinds = [
      '05044143 2d33',
      '0504 45414333',
      '6a01 00',
      '7a01 00',
      '0504 41563031',
      '0504 48455643',
      '0504 4b4c5641',
      '0a04 656e6700',
    ].map((hex) => {
      const data = Buffer.from(hex.replaceAll(' ', ''), 'hex');
      return kindOfStream({ pid: 1, type: 6, descriptors: [{ tag: data[0]!, data: data.subarray(2) }] });
    });
    expect(kinds).toEqual(['ac3', 'eac3', 'ac3', 'eac3', 'av1', 'h265', undefined, undefined]);
    const types = [0x1b, 0x24, 0x33, 0x0f, 0x11, 0x03, 0x04, 0x81, 0x87, 0x02, 0x86, 0x15];
    expect(types.map((type) => kindOfStream({ pid: 1, type, descriptors: [] }))).toEqual([
      ...['h264', 'h265', 'h266', 'aac-adts', 'aac-latm', 'mpeg-audio', 'mpeg-audio', 'ac3', 'eac3'],
      ...[undefined, undefined, undefined],
    ]);
  });

  it('CRC-32/MPEG-2 of its check string', () => {
    expect(crc32Mpeg(Buffer.from('123456789'), 0, 9)).toBe(0x0376e6e7);
  });
});
