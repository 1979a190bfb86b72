import type { TransportPart } from '../media/publication.ts';
import { PAT_PID } from '../protocol/mpegts/psi.ts';

/** Whether a decoder that begins with this part needs nothing before it. */
export function beginsWithTables({ data }: TransportPart): boolean {
  return (((data[1]! & 0x1f) << 8) | data[2]!) === PAT_PID;
}

/** The parts as one Buffer. Those that stand one behind the other in memory, as most do, are not copied. */
export function joinParts(parts: readonly TransportPart[]): Buffer {
  const runs: Buffer[] = [];
  let first = 0;
  for (let i = 1; i <= parts.length; i++) {
    const before = parts[i - 1]!.data;
    const next = parts[i]?.data;
    const goesOn = next !== undefined && next.buffer === before.buffer;
    if (goesOn && next.byteOffset === before.byteOffset + before.length) continue;
    const { buffer, byteOffset } = parts[first]!.data;
    runs.push(Buffer.from(buffer, byteOffset, before.byteOffset + before.length - byteOffset));
    first = i;
  }
  return runs.length === 1 ? runs[0]! : Buffer.concat(runs);
}
