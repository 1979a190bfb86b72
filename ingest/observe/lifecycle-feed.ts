/** Something that happened to a stream or a recording. Times are seconds on the recording's timeline, or on the publisher's clock. */
export type LifecycleEvent =
  | {
      readonly type: 'publication-started';
      readonly path: string;
      readonly pub: string;
      readonly epoch: number;
      readonly conn_id: string;
      readonly protocol: string;
    }
  | { readonly type: 'publication-ended'; readonly path: string; readonly pub: string; readonly cause: string }
  | {
      readonly type: 'publication-gap';
      readonly path: string;
      readonly pub: string;
      readonly cause: string;
      readonly from: number;
      readonly to: number;
    }
  /** `viewers`: of the path, after it. */
  | { readonly type: 'viewer-joined'; readonly path: string; readonly viewers: number }
  | {
      readonly type: 'viewer-left' | 'viewer-evicted';
      readonly path: string;
      readonly viewers: number;
      readonly reason: string;
    }
  | (SegmentFacts & { readonly type: 'segment-closed'; readonly seconds: number; readonly bytes: number })
  | (SegmentFacts & { readonly type: 'segment-stored' })
  /** Given up, and declared as a gap. */
  | (Omit<SegmentFacts, 'key'> & { readonly type: 'segment-dropped' })
  | {
      readonly type: 'recording-gap';
      readonly path: string;
      readonly recording: string;
      readonly pub: string;
      readonly cause: string;
      readonly from: number;
      /** Null where the end is not known: a crash. */
      readonly to: number | null;
    }
  | { readonly type: 'store-unavailable'; readonly store: string; readonly code: string }
  | { readonly type: 'store-available'; readonly store: string };

interface SegmentFacts {
  readonly path: string;
  readonly recording: string;
  readonly pub: string;
  readonly seq: number;
  /** Under the store's prefix. */
  readonly key: string;
}

/** Where events go that somebody may want to hear of. Listeners must not throw or wait. */
export class LifecycleFeed {
  readonly #listeners = new Set<(event: LifecycleEvent) => void>();

  /** Whether anybody listens: what costs something to find out need not be, otherwise. */
  get isHeard(): boolean {
    return this.#listeners.size > 0;
  }

  publish(event: LifecycleEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** Returns the function that stops it. */
  subscribe(listener: (event: LifecycleEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
