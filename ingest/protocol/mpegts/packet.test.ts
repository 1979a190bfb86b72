import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PacketSync } from './packet.ts';

/** Packets found, each by its fourth byte on, and how often the sync was lost. */
function sync(pieces: readonly (Buffer | 'break')[]): { found: string[]; lost: number } {
  const found: string[] = [];
  let lost = 0;
  const reader = new PacketSync({
    onPackets(bytes, from, to) {
      expect((to - from) % 188).toBe(0);
      for (let at = from; at < to; at += 188) {
        expect(bytes[at]).toBe(0x47);
        found.push(bytes.toString('hex', at + 1, at + 188));
      }
    },
    onSyncLost: () => void lost++,
  });
  for (const piece of pieces) {
    if (piece === 'break') reader.break();
    else reader.push(Buffer.from(piece));
  }
  reader.break();
  return { found, lost };
}

/** A packet without another sync byte in it. */
const packet = fc
  .uint8Array({ minLength: 187, maxLength: 187 })
  .map((bytes) => Buffer.from([0x47, ...bytes.map((byte) => (byte === 0x47 ? 0 : byte))]));
const noise = fc
  .uint8Array({ maxLength: 400 })
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0x47 ? 1 : byte))));
const hexOf = (packets: readonly Buffer[]): string[] => packets.map((each) => each.toString('hex', 1));

describe('PacketSync', () => {
  it('any split gives the same packets, whatever stands before and behind them', () => {
    fc.assert(
      fc.property(
        noise,
        fc.array(packet, { minLength: 3, maxLength: 12 }),
        fc.array(fc.nat(2600)),
        (before, packets, cuts) => {
          const bytes = Buffer.concat([before, ...packets]);
          const ends = [...cuts.filter((cut) => cut < bytes.length), bytes.length].sort((a, b) => a - b);
          const pieces = ends.map((to, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], to));
          expect(sync(pieces)).toEqual({ found: hexOf(packets), lost: 0 });
        },
      ),
    );
  });

  it('finds its way again where bytes are missing or too many', () => {
    const count = { minLength: 3, maxLength: 6 };
    fc.assert(
      fc.property(fc.array(packet, count), noise, fc.array(packet, count), (first, between, second) => {
        const { found, lost } = sync([Buffer.concat([...first, between, ...second])]);
        expect(found).toEqual(hexOf([...first, ...second]));
        // Fewer bytes than a packet that no longer fit are not seen before the end.
        expect(lost).toBe(between.length === 0 ? 0 : 1);
      }),
    );
  });

  it('does not take one sync byte, or two, for packets', () => {
    const packets = Array.from({ length: 3 }, (_, i) => Buffer.alloc(188, i).fill(0x47, 0, 1));
    const lures = Buffer.alloc(500, 9);
    lures[10] = lures[10 + 188] = 0x47;
    expect(sync([Buffer.concat([lures, ...packets])]).found).toEqual(hexOf(packets));
  });

  it('takes what there is when nothing follows', () => {
    const one = Buffer.alloc(188, 1).fill(0x47, 0, 1);
    expect(sync([one])).toEqual({ found: hexOf([one]), lost: 0 });
    expect(sync([one, 'break', one.subarray(100), 'break', one, one]).found).toEqual(hexOf([one, one, one]));
  });

  it('goes on over many blocks', () => {
    const packets = Array.from({ length: 2000 }, (_, i) => Buffer.alloc(188, i & 63).fill(0x47, 0, 1));
    const bytes = Buffer.concat(packets);
    const pieces = Array.from({ length: Math.ceil(bytes.length / 1000) }, (_, i) =>
      bytes.subarray(i * 1000, i * 1000 + 1000),
    );
    expect(sync(pieces).found).toEqual(hexOf(packets));
    expect(sync([bytes]).found).toEqual(hexOf(packets));
  });
});
