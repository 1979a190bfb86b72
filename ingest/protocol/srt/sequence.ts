/** Packet sequence numbers have 31 bits and wrap to 0 (SRT draft §3.1). */
export const SEQUENCE_MASK = 0x7fff_ffff;

/** The number `count` packets after `sequence`; a negative count goes back. */
export function sequenceAfter(sequence: number, count: number): number {
  return (sequence + count) & SEQUENCE_MASK;
}

/**
 * Packets from `from` to `to`, negative where `to` is the older one. Serial arithmetic: of the two ways round the shorter, so the result
 * is −2³⁰ … 2³⁰ − 1.
 */
export function sequenceDistance(from: number, to: number): number {
  return ((to - from) << 1) >> 1;
}

/** Whether `a` stands before `b`. */
export function isSequenceBefore(a: number, b: number): boolean {
  return sequenceDistance(a, b) > 0;
}
