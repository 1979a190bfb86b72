/** What one connection has counted since its start. Names as in libsrt's statistics; bytes are those of datagrams, without IP and UDP. */
export class Counters {
  /** Data packets, retransmissions among them. */
  pktSent = 0;
  byteSent = 0;
  pktRetrans = 0;
  byteRetrans = 0;
  /** Reported as lost by the peer. */
  pktSndLoss = 0;
  /** Got too old before the peer acknowledged them. */
  pktSndDrop = 0;
  byteSndDrop = 0;
  /** Data packets, whatever became of them. */
  pktRecv = 0;
  byteRecv = 0;
  pktRcvRetrans = 0;
  /** Found missing, whether or not they came later. */
  pktRcvLoss = 0;
  /** Given up: they were missing when a packet behind them was due, or the peer had none of them any more. */
  pktRcvDrop = 0;
  /** Came after they had been given up. */
  pktRcvBelated = 0;
  pktRcvUndecrypt = 0;
  byteRcvUndecrypt = 0;
  /** Came again. */
  pktRcvDuplicate = 0;
  /** Not taken: too far ahead of the window, or longer than the negotiated MTU. */
  pktRcvRefused = 0;
  pktSentACK = 0;
  pktRecvACK = 0;
  pktSentNAK = 0;
  pktRecvNAK = 0;
}
