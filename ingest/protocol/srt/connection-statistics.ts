import type { Counters } from './counters.ts';

/** IPv4 and UDP headers: libsrt counts them with every packet. */
const IP_UDP_BYTES = 28;

/** What a connection is like now. Names and units as in libsrt's SRT_TRACEBSTATS, which encoders and players show. */
export interface ConnectionState {
  /** Since the start. */
  readonly msTimeStamp: number;
  readonly msRTT: number;
  readonly msRcvTsbPdDelay: number;
  readonly msSndTsbPdDelay: number;
  /** Packets that the peer allows in flight, and those that are. */
  readonly pktFlowWindow: number;
  readonly pktFlightSize: number;
  readonly usPktSndPeriod: number;
  readonly mbpsMaxBW: number;
  /** Estimated capacity of the link, 0 if unknown. */
  readonly mbpsBandwidth: number;
  readonly mbpsSendRate: number;
  readonly mbpsRecvRate: number;
  readonly pktSndBuf: number;
  readonly byteSndBuf: number;
  readonly msSndBuf: number;
  readonly byteAvailSndBuf: number;
  /** From the first missing packet to the newest one. */
  readonly pktRcvBuf: number;
  readonly byteAvailRcvBuf: number;
  readonly byteMSS: number;
}

/** Counts since the start, and the state. */
export type ConnectionStatistics = Omit<Readonly<Counters>, 'byteRetrans'> &
  ConnectionState & {
    readonly pktSentUnique: number;
    readonly pktRecvUnique: number;
  };

/** Bytes get the headers that libsrt counts: 44 a packet, of which SRT's 16 are in the counts already. */
export function connectionStatistics(counters: Counters, state: ConnectionState): ConnectionStatistics {
  const { byteRetrans: _, ...counts } = counters;
  return {
    ...counts,
    ...state,
    byteSent: counts.byteSent + counts.pktSent * IP_UDP_BYTES,
    byteRecv: counts.byteRecv + counts.pktRecv * IP_UDP_BYTES,
    byteSndDrop: counts.byteSndDrop + counts.pktSndDrop * IP_UDP_BYTES,
    byteRcvUndecrypt: counts.byteRcvUndecrypt + counts.pktRcvUndecrypt * IP_UDP_BYTES,
    pktSentUnique: counts.pktSent - counts.pktRetrans,
    pktRecvUnique: counts.pktRecv - counts.pktRcvDuplicate - counts.pktRcvBelated - counts.pktRcvRefused,
  };
}
