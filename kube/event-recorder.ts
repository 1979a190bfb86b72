import { randomBytes } from 'node:crypto';
import type { Log } from '../ingest/runtime/log.ts';
import type { KubeClient } from './client.ts';
import { KubeError } from './kube-error.ts';
import type { KubeObject } from './kube-object.ts';
import { EVENTS } from './resource.ts';

/** What `kubectl describe` shows at the end. */
export interface EventNote {
  readonly type: 'Normal' | 'Warning';
  /** One word in UpperCamelCase, from a bounded set. */
  readonly reason: string;
  readonly message: string;
}

/** A `v1` Event. */
interface Event extends KubeObject {
  readonly involvedObject: object;
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly count: number;
  readonly firstTimestamp: string;
  readonly lastTimestamp: string;
  readonly source: { readonly component: string };
  readonly reportingComponent: string;
  readonly reportingInstance: string;
}

/** The same reason on the same object is one Event with a count, as long as it comes again within this time. */
const SERIES_MS = 600_000;
/** A series is written at most this often; what comes meanwhile is in the next count. */
const WRITE_EVERY_MS = 60_000;
/** Series remembered, and notes on their way; further notes are dropped. */
const MAX_SERIES = 4096;
const MAX_IN_FLIGHT = 100;
const MAX_MESSAGE = 1024;

interface Series {
  name: string | undefined;
  count: number;
  seenAt: number;
  writtenAt: number;
  message: string;
  /** One write after the other: the first one makes the Event that the next one changes. */
  turn: Promise<void>;
}

/**
 * Tells people of an object what happened to it. Notes of one object and reason become one Event; they are sent in the
 * background, and lost where that fails: nothing waits for an Event.
 */
export class EventRecorder {
  readonly #client: KubeClient;
  readonly #component: string;
  readonly #instance: string;
  readonly #log: Log;
  readonly #series = new Map<string, Series>();
  #inFlight = 0;

  constructor(client: KubeClient, component: string, instance: string, log: Log) {
    this.#client = client;
    this.#component = component;
    this.#instance = instance;
    this.#log = log;
  }

  record(about: KubeObject, note: EventNote): void {
    const now = performance.now();
    const series = this.#seriesOf(`${about.metadata.uid} ${note.type} ${note.reason}`, now);
    const message = note.message.slice(0, MAX_MESSAGE);
    const isNews = message !== series.message;
    series.count += 1;
    series.seenAt = now;
    series.message = message;
    if ((!isNews && now - series.writtenAt < WRITE_EVERY_MS) || this.#inFlight >= MAX_IN_FLIGHT) return;
    series.writtenAt = now;
    this.#inFlight += 1;
    series.turn = series.turn
      .then(() => this.#write(about, note, series))
      .catch((error: unknown) => this.#log.debug({ err: error, reason: note.reason }, 'Event not recorded'))
      .finally(() => {
        this.#inFlight -= 1;
      });
  }

  #seriesOf(key: string, now: number): Series {
    const before = this.#series.get(key);
    this.#series.delete(key);
    const isOver = !before || now - before.seenAt > SERIES_MS;
    const series = isOver ? newSeries(now) : before;
    // The newest at the end: the first one is the one that was quiet for longest.
    this.#series.set(key, series);
    if (this.#series.size > MAX_SERIES) this.#series.delete(this.#series.keys().next().value!);
    return series;
  }

  async #write(about: KubeObject, note: EventNote, series: Series): Promise<void> {
    const { namespace = 'default', name, uid, resourceVersion } = about.metadata;
    const lastTimestamp = new Date().toISOString();
    const { count, message } = series;
    if (series.name !== undefined) {
      try {
        await this.#client.merge(EVENTS, { namespace, name: series.name }, { count, lastTimestamp, message });
        return;
      } catch (error) {
        // Events live for an hour, and may be deleted before.
        if (!KubeError.is(error, 'ERR_KUBE_NOT_FOUND')) throw error;
      }
    }
    series.name = `${name}.${randomBytes(8).toString('hex')}`;
    await this.#client.create<Event>(EVENTS, {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { namespace, name: series.name },
      involvedObject: { apiVersion: about.apiVersion, kind: about.kind, namespace, name, uid, resourceVersion },
      type: note.type,
      reason: note.reason,
      message,
      count,
      firstTimestamp: lastTimestamp,
      lastTimestamp,
      source: { component: this.#component },
      reportingComponent: this.#component,
      reportingInstance: this.#instance,
    });
  }
}

function newSeries(now: number): Series {
  return { name: undefined, count: 0, seenAt: now, writtenAt: -Infinity, message: '', turn: Promise.resolve() };
}
