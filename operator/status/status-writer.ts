import { isDeepStrictEqual } from 'node:util';
import type { LiveStreamStatus } from '../../crds/live-stream-status.ts';
import { API_VERSION } from '../../crds/names.ts';
import type { Meter } from '../../ingest/runtime/meter.ts';
import type { Applier } from '../../kube/apply.ts';
import type { EventNote } from '../../kube/event-recorder.ts';
import { KubeError } from '../../kube/kube-error.ts';
import { TokenBucket } from '../../kube/token-bucket.ts';
import type { StoredStream } from '../compile/manifest.ts';
import { urgentPart } from '../compile/status.ts';
import { LIVE_STREAMS } from '../watch/resources.ts';
import type { WatchedObjects } from '../watch/watched-objects.ts';
import { SlowLane } from './slow-lane.ts';
import { eventsBetween } from './status-events.ts';

export interface StatusWriterOptions {
  readonly applier: Applier;
  readonly streams: WatchedObjects<StoredStream>;
  /** What the status should be; undefined: that cannot be said yet. */
  readonly statusOf: (stream: StoredStream) => LiveStreamStatus | undefined;
  readonly onEvent: (stream: StoredStream, note: EventNote) => void;
  /** ms */
  readonly slowInterval: number;
  readonly urgentPerSecond: number;
  readonly slowPerSecond: number;
  readonly meter: Meter;
  readonly now?: () => number;
}

/** How long a new stream's first status waits for the pods to obey, so that one write says all. */
const FIRST_STATUS_MS = 1000;

/**
 * Writes statuses: a change of state at once, figures seldom, what is the same never. A thousand streams that merely go on cost next
 * to nothing.
 */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #urgent: TokenBucket;
  readonly #slow: SlowLane;
  readonly #now: () => number;
  readonly #heldSince = new Map<string, number>();

  constructor(options: StatusWriterOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#urgent = new TokenBucket(options.urgentPerSecond, 2 * options.urgentPerSecond, this.#now);
    this.#slow = new SlowLane(options.slowPerSecond, options.slowInterval, this.#now);
  }

  /** Writes the stream's status if need be. Gives when to look again, ms. @throws KubeError */
  async write(key: string, signal: AbortSignal): Promise<number | undefined> {
    const stream = this.#options.streams.get(key);
    const status = stream && this.#options.statusOf(stream);
    if (stream === undefined || status === undefined) return undefined;
    const manifest = manifestOf(stream, status);
    if (!this.#options.applier.isNeeded(manifest, stream, 'status')) return undefined;
    const isSlow = isDeepStrictEqual(urgentPart(stream.status), urgentPart(status));
    if (isSlow) {
      const wait = this.#slow.wait(key);
      if (wait > 0) return wait;
    } else {
      const wait = this.#hold(key, stream, status);
      if (wait > 0) return wait;
      await this.#urgent.take(signal);
    }
    await this.#apply(key, stream, manifest, signal);
    this.#options.meter.count('headwater_operator_status_writes_total', isSlow ? 'figures' : 'state');
    for (const note of eventsBetween(stream.status, status)) this.#options.onEvent(stream, note);
    return undefined;
  }

  forget(key: string): void {
    this.#slow.forget(key);
    this.#heldSince.delete(key);
  }

  async #apply(key: string, stream: StoredStream, manifest: StoredStream, signal: AbortSignal): Promise<void> {
    const { applier, streams } = this.#options;
    const { namespace, uid } = stream.metadata;
    try {
      await applier.apply(LIVE_STREAMS, manifest, streams.in(namespace), { subresource: 'status', uid, signal });
      this.#slow.wrote(key);
      this.#heldSince.delete(key);
    } catch (error) {
      // It went meanwhile, or is another one by now: its own change brings us back.
      const isGone = KubeError.is(error, 'ERR_KUBE_NOT_FOUND') || KubeError.is(error, 'ERR_KUBE_CONFLICT');
      if (!isGone) throw error;
    }
  }

  /** A stream that was never spoken of waits a moment for its pods. */
  #hold(key: string, stream: StoredStream, status: LiveStreamStatus): number {
    const programmed = status.conditions?.find(({ type }) => type === 'Programmed');
    if (stream.status?.conditions !== undefined || programmed?.reason !== 'Pending') return 0;
    const since = this.#heldSince.get(key) ?? this.#now();
    this.#heldSince.set(key, since);
    return Math.max(0, Math.ceil(since + FIRST_STATUS_MS - this.#now()));
  }
}

function manifestOf({ metadata: { name, namespace } }: StoredStream, status: LiveStreamStatus): StoredStream {
  return { apiVersion: API_VERSION, kind: 'LiveStream', metadata: { name, namespace }, status } as StoredStream;
}
