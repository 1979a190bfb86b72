import type { ConnectionStatistics } from '../protocol/srt/connection-statistics.ts';
import type { Log } from '../runtime/log.ts';

/** A lost packet is reported, sent again, and may be lost again: with less than this many round trips it does not come in time. */
const ROUND_TRIPS = 4;
/** The round trip is what both sides assume, not what it is, until some packets have been confirmed. */
const SETTLED_PACKETS = 100;
/** The same is not said again for so long, µs. */
const AGAIN_US = 60_000_000;

/** Says in the log what an operator can do something about: a latency too short for the link, packets that were given up. */
export class SrtWarnings {
  readonly #log: Log;
  readonly #role: 'publish' | 'play';
  #latencySaidAt = Number.NEGATIVE_INFINITY;
  #dropsSaidAt = Number.NEGATIVE_INFINITY;
  /** Dropped packets that have not been said. */
  #unsaidDrops = 0;

  constructor(log: Log, role: 'publish' | 'play') {
    this.#log = log;
    this.#role = role;
  }

  /** `before`: what the connection said the last time. `now` in µs. */
  look(statistics: ConnectionStatistics, before: ConnectionStatistics, now: number): void {
    const isPublisher = this.#role === 'publish';
    const latency = isPublisher ? statistics.msRcvTsbPdDelay : statistics.msSndTsbPdDelay;
    const rtt = Math.round(statistics.msRTT);
    const dropped = isPublisher ? statistics.pktRcvDrop - before.pktRcvDrop : statistics.pktSndDrop - before.pktSndDrop;
    this.#unsaidDrops += dropped;
    if (this.#unsaidDrops > 0 && now - this.#dropsSaidAt > AGAIN_US) {
      this.#log.warn(
        { packets: this.#unsaidDrops, latency, rtt },
        'SRT packets dropped: they came too late; raise the latency on either side',
      );
      this.#dropsSaidAt = now;
      this.#unsaidDrops = 0;
    }
    const packets = isPublisher ? statistics.pktRecv : statistics.pktSent;
    if (packets < SETTLED_PACKETS || latency >= ROUND_TRIPS * rtt || now - this.#latencySaidAt < AGAIN_US) return;
    this.#latencySaidAt = now;
    this.#log.warn(
      { latency, rtt, advised: ROUND_TRIPS * rtt },
      'SRT latency is shorter than four round trips: lost packets may not come in time; raise it on either side',
    );
  }
}
