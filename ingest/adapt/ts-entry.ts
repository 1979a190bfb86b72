import { findNalUnits } from '../codec/annex-b.ts';
import { NAL_SYNTAX } from '../codec/nal-syntax.ts';
import { PACKET_BYTES } from '../protocol/mpegts/packet.ts';
import type { StreamKind } from '../protocol/mpegts/stream-kind.ts';

const PES_HEADER_BYTES = 9;

/** Whether the packet at `at`, whose payload begins a PES packet, shows parameter sets or a keyframe: encoders may not flag random access. */
export function isEntryPacket(kind: StreamKind, bytes: Buffer, at: number, payload: number): boolean {
  if (kind !== 'h264' && kind !== 'h265' && kind !== 'h266') return false;
  const syntax = NAL_SYNTAX[kind];
  const to = at + PACKET_BYTES;
  const from = payload + PES_HEADER_BYTES + (bytes[payload + 8] ?? 0);
  const bounds: number[] = [];
  const count = findNalUnits(bytes, from, to, bounds);
  for (let i = 0; i < count; i++) {
    const unit = bounds[2 * i]!;
    if (unit + syntax.headerBytes >= to) break;
    const role = syntax.roleOf(bytes, unit);
    if (role === 'parameters') return true;
    if (role === 'firstSlice' || role === 'slice') return syntax.isKeySlice(syntax.typeOf(bytes, unit));
  }
  return false;
}
