import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LossReportReader, lossBytes, writeLoss } from './loss-report.ts';
import { CONTROL, controlPacket, HEADER_BYTES } from './packet.ts';

type Loss = readonly [first: number, last: number];

function encode(losses: readonly Loss[]): Buffer {
  const bytes = losses.reduce((sum, [first, last]) => sum + lossBytes(first, last), 0);
  const datagram = controlPacket(CONTROL.nak, 0, 0, 1, bytes);
  let at = HEADER_BYTES;
  for (const [first, last] of losses) at = writeLoss(datagram, at, first, last);
  return datagram;
}

function decode(datagram: Buffer): { losses: Loss[]; isBroken: boolean } {
  const reader = new LossReportReader(datagram);
  const losses: Loss[] = [];
  while (reader.next()) losses.push([reader.first, reader.last]);
  return { losses, isBroken: reader.isBroken };
}

describe('loss report', () => {
  it.each([
    { name: 'one packet', losses: [[5, 5]], want: '00000005' },
    { name: 'a range', losses: [[5, 9]], want: '8000000500000009' },
    { name: 'a range over the wrap', losses: [[0x7fff_fffe, 1]], want: 'fffffffe00000001' },
    {
      name: 'several',
      losses: [
        [1, 1],
        [4, 6],
        [9, 9],
      ],
      want: '00000001800000040000000600000009',
    },
  ] satisfies { name: string; losses: Loss[]; want: string }[])('$name', ({ losses, want }) => {
    const datagram = encode(losses);
    expect(datagram.toString('hex', HEADER_BYTES)).toBe(want);
    expect(decode(datagram)).toEqual({ losses, isBroken: false });
  });

  it.each([
    { name: 'a range without an end', hex: '00000001 80000004', losses: [[1, 1]], isBroken: true },
    {
      name: 'a range that ends with the beginning of another',
      hex: '80000004 80000006 00000008',
      losses: [],
      isBroken: true,
    },
    { name: 'part of a word', hex: '00000001 000000', losses: [[1, 1]], isBroken: false },
    { name: 'nothing', hex: '', losses: [], isBroken: false },
  ])('stops at $name', ({ hex, losses, isBroken }) => {
    const body = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    expect(decode(Buffer.concat([controlPacket(CONTROL.nak, 0, 0, 1), body]))).toEqual({ losses, isBroken });
  });

  it('reads back what was written', () => {
    const sequence = fc.integer({ min: 0, max: 0x7fff_ffff });
    fc.assert(
      fc.property(fc.array(fc.tuple(sequence, sequence)), (losses) => {
        expect(decode(encode(losses))).toEqual({ losses, isBroken: false });
      }),
    );
  });
});
