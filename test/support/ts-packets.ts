/** One packet of a transport stream, as these tests look at it; read by itself, not by the code under test. */
export interface TsPacket {
  readonly pid: number;
  readonly hasStart: boolean;
  readonly hasPayload: boolean;
  readonly counter: number;
  readonly isRandomAccess: boolean;
  /** 90 kHz. */
  readonly clock: number | undefined;
  readonly bytes: Buffer;
}

export function tsPackets(stream: Buffer): TsPacket[] {
  if (stream.length % 188 !== 0) throw new Error(`${stream.length} bytes are no whole packets`);
  return Array.from({ length: stream.length / 188 }, (_, i) => {
    const bytes = stream.subarray(i * 188, (i + 1) * 188);
    if (bytes[0] !== 0x47) throw new Error(`packet ${i} has no sync byte`);
    const flags = (bytes[3]! & 0x20) !== 0 && bytes[4]! > 0 ? bytes[5]! : 0;
    return {
      pid: bytes.readUInt16BE(1) & 0x1fff,
      hasStart: (bytes[1]! & 0x40) !== 0,
      hasPayload: (bytes[3]! & 0x10) !== 0,
      counter: bytes[3]! & 15,
      isRandomAccess: (flags & 0x40) !== 0,
      clock: (flags & 0x10) !== 0 ? bytes.readUInt32BE(6) * 2 + (bytes[10]! >> 7) : undefined,
      bytes,
    };
  });
}

/** Places where a continuity counter does not go on, as `pid:index`. */
export function counterErrors(packets: readonly TsPacket[]): string[] {
  const last = new Map<number, number>();
  return packets.flatMap(({ pid, hasPayload, counter }, i) => {
    const before = last.get(pid);
    last.set(pid, counter);
    const expected = hasPayload ? ((before ?? counter - 1) + 1) & 15 : (before ?? counter);
    return expected === counter ? [] : [`${pid}:${i}`];
  });
}
