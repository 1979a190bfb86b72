import type { ConnectionStatistics } from '../protocol/srt/connection-statistics.ts';
import type { Meter } from '../runtime/meter.ts';

type Count = {
  [K in keyof ConnectionStatistics]: ConnectionStatistics[K] extends number ? K : never;
}[keyof ConnectionStatistics];

/** Label of `headwater_srt_packets_total` for each count that is in it. */
const PACKETS: readonly (readonly [label: string, count: Count])[] = [
  ['received', 'pktRecv'],
  ['received-retransmitted', 'pktRcvRetrans'],
  ['receive-lost', 'pktRcvLoss'],
  ['receive-dropped', 'pktRcvDrop'],
  ['receive-belated', 'pktRcvBelated'],
  ['receive-undecrypted', 'pktRcvUndecrypt'],
  ['sent', 'pktSent'],
  ['sent-retransmitted', 'pktRetrans'],
  ['send-lost', 'pktSndLoss'],
  ['send-dropped', 'pktSndDrop'],
];

/** Adds what a connection has counted since `before`. */
export function countStatistics(meter: Meter, now: ConnectionStatistics, before: ConnectionStatistics): void {
  for (const [label, count] of PACKETS) {
    const more = now[count] - before[count];
    if (more > 0) meter.count('headwater_srt_packets_total', label, more);
  }
  const received = now.byteRecv - before.byteRecv;
  const sent = now.byteSent - before.byteSent;
  if (received > 0) meter.count('headwater_received_bytes_total', 'srt', received);
  if (sent > 0) meter.count('headwater_sent_bytes_total', 'srt', sent);
}
