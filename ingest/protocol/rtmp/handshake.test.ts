import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ServerHandshake } from './handshake.ts';

const TAIL = Buffer.from('f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae', 'hex');
const hmac = (key: Buffer, data: Buffer) => createHmac('sha256', key).update(data).digest();
/** Four bytes that sum up to `sum`. */
const pointer = (sum: number) => [0, 1, 2, 3].map((i) => Math.min(255, Math.max(0, sum - 255 * i)));

/** A C1 with a right digest in layout 0 (key first) or 1 (digest first), `sum` bytes past the start of its block. */
function digestC1(layout: 0 | 1, sum: number): Buffer {
  const c1 = Buffer.alloc(1536, 0x33);
  c1.set([0x80, 0, 3, 2], 4);
  c1.set(pointer(sum), layout === 0 ? 772 : 8);
  const at = (layout === 0 ? 776 : 12) + (sum % 728);
  const rest = Buffer.concat([c1.subarray(0, at), c1.subarray(at + 32)]);
  c1.set(hmac(Buffer.from('Genuine Adobe Flash Player 001'), rest), at);
  return c1;
}

function run(pieces: readonly Buffer[]) {
  const sent: Buffer[] = [];
  const handshake = new ServerHandshake(
    (bytes) => sent.push(bytes),
    (size) => Buffer.alloc(size, 0x77),
  );
  const rest: Buffer[] = [];
  let isOver = false;
  for (const piece of pieces) {
    const at = isOver ? 0 : handshake.receive(piece);
    if (at < 0) continue;
    isOver = true;
    rest.push(piece.subarray(at));
  }
  return {
    reply: Buffer.concat(sent),
    writes: sent.length,
    scheme: handshake.scheme,
    rest: Buffer.concat(rest),
    isOver,
  };
}

const simpleC1 = Buffer.alloc(1536, 0x44);
simpleC1.writeUInt32BE(0, 4);
const VERSION = Buffer.of(3);
const C2 = Buffer.alloc(1536, 0x55);

describe('ServerHandshake', () => {
  it('answers a simple C1 at once with a zero version and its echo', () => {
    const { reply, writes, isOver } = run([VERSION, simpleC1]);
    expect([writes, isOver, reply.length, reply[0]]).toEqual([1, false, 3073, 3]);
    expect(reply.readUInt32BE(5)).toBe(0);
    expect(reply.subarray(1537).equals(simpleC1)).toBe(true);
  });

  it.each([
    { layout: 0, sum: 0 },
    { layout: 0, sum: 727 },
    { layout: 0, sum: 1020 },
    { layout: 1, sum: 0 },
    { layout: 1, sum: 727 },
    { layout: 1, sum: 728 },
  ] as const)('answers a digest in layout $layout at $sum with digests in the same layout', ({ layout, sum }) => {
    const c1 = digestC1(layout, sum);
    const { reply, scheme } = run([VERSION, c1, C2]);
    const s1 = reply.subarray(1, 1537);
    const s2 = reply.subarray(1537);
    expect(scheme).toBe('digest');
    expect(s1[4]).toBeGreaterThanOrEqual(3);
    const from = layout === 0 ? 772 : 8;
    const at = from + 4 + ((s1[from]! + s1[from + 1]! + s1[from + 2]! + s1[from + 3]!) % 728);
    const rest = Buffer.concat([s1.subarray(0, at), s1.subarray(at + 32)]);
    expect(s1.subarray(at, at + 32)).toEqual(hmac(Buffer.from('Genuine Adobe Flash Media Server 001'), rest));
    const c1At = (layout === 0 ? 776 : 12) + (sum % 728);
    const key = hmac(
      Buffer.concat([Buffer.from('Genuine Adobe Flash Media Server 001'), TAIL]),
      c1.subarray(c1At, c1At + 32),
    );
    expect(s2.subarray(1504)).toEqual(hmac(key, s2.subarray(0, 1504)));
  });

  it('takes a version without a digest as the simple handshake', () => {
    const c1 = Buffer.alloc(1536, 0x11);
    const { reply, scheme } = run([VERSION, c1, C2]);
    expect(scheme).toBe('simple');
    expect(reply.readUInt32BE(5)).toBe(0);
    expect(reply.subarray(1537).equals(c1)).toBe(true);
  });

  it('any split gives the same reply and keeps what follows C2', () => {
    const after = Buffer.from('020000000000040100000000', 'hex');
    const digest = digestC1(1, 300);
    fc.assert(
      fc.property(fc.constantFrom(simpleC1, digest), fc.array(fc.nat(3085), { maxLength: 8 }), (c1, cuts) => {
        const all = Buffer.concat([VERSION, c1, C2, after]);
        const edges = [0, ...cuts.sort((a, b) => a - b), all.length];
        const whole = run([all]);
        const split = run(edges.slice(1).map((edge, i) => all.subarray(edges[i], edge)));
        expect(split).toEqual(whole);
        expect(whole.rest).toEqual(after);
        expect(whole.writes).toBe(1);
      }),
    );
  });

  it('byte by byte', () => {
    const all = Buffer.concat([VERSION, digestC1(0, 50), C2, Buffer.from('ab')]);
    const { reply, rest } = run([...all].map((byte) => Buffer.of(byte)));
    expect([reply.length, rest.toString()]).toEqual([3073, 'ab']);
  });

  it.each([
    [0x16, /TLS/],
    [0x06, /RTMPE/],
    [0x50, /HTTP/],
    [0x00, /version 0/],
    [0x04, /version 4/],
  ])('refuses first byte %d', (first, message) => {
    expect(() => run([Buffer.of(first)])).toThrow(
      expect.objectContaining({ code: 'ERR_RTMP_NOT_RTMP', action: 'close', message: expect.stringMatching(message) }),
    );
  });
});
