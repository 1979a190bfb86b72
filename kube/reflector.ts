import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../ingest/runtime/log.ts';
import { type Meter, NO_METER } from '../ingest/runtime/meter.ts';
import { Backoff, jittered } from './backoff.ts';
import type { KubeClient } from './client.ts';
import { type ApiStatus, errorOfStatus, KubeError } from './kube-error.ts';
import { compareVersions, type KubeObject, keyOf } from './kube-object.ts';
import { type ChangeHandler, keepFieldsOf, ObjectCache } from './object-cache.ts';
import { apiVersionOf, pathOf, type Resource } from './resource.ts';
import { type WatchEvent, WatchLines } from './watch-lines.ts';

/** What is watched, and who is told. */
export interface ReflectorOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly resource: Resource;
  /** All namespaces unless given. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Only `metadata` of each object is asked for and kept: Secrets that nobody needs to read. */
  readonly metadataOnly?: boolean;
  /** Our field manager: its managed fields are kept for `apply`. */
  readonly manager?: string;
  readonly onChange: ChangeHandler<T>;
  readonly log: Log;
  readonly meter?: Meter;
  readonly timing?: Partial<ReflectorTiming>;
}

/** In milliseconds. */
export interface ReflectorTiming {
  /** A watch that says nothing for this long is dead: the server sends a bookmark each minute. */
  readonly stallMs: number;
  /** A watch that lived this long was healthy: the next one follows at once. */
  readonly healthyMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  /** After a watch that ended soon, in good order, and told nothing. */
  readonly quietMs: number;
  /** Between two audits of the cache. */
  readonly auditMs: number;
  /** How long an audit waits for changes that are on their way. */
  readonly auditGraceMs: number;
}

const TIMING: ReflectorTiming = {
  stallMs: 90_000,
  healthyMs: 5000,
  backoffMinMs: 200,
  backoffMaxMs: 4000,
  quietMs: 500,
  auditMs: 600_000,
  auditGraceMs: 3000,
};

const PAGE_SIZE = 500;
/** The server ends a watch after a time between these, in seconds, so that not all end together. */
const WATCH_SECONDS = [240, 480] as const;
/** How often a list that expires while its pages are read is begun again. */
const MAX_LIST_RESTARTS = 3;
/** After so many refusals in a row all is listed anew: the version may be one that this server never had (a restored etcd). */
const REFUSALS_BEFORE_LIST = 5;
/** A server that asks to be left alone is, but no longer than this. */
const MAX_ASKED_MS = 30_000;

/** How a watch ended: after news, in good order without any, or with an error. */
type WatchEnd = 'told' | 'quiet' | 'failed';

interface ListPage<T> {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  /** Null in an empty list of metadata. */
  readonly items: readonly T[] | null;
}

const PARTIAL_TYPE = { apiVersion: 'meta.k8s.io/v1', kind: 'PartialObjectMetadata' } as const;
const PARTIAL = 'as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
const PARTIAL_LIST = 'as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

/**
 * Keeps a copy of a kind of objects: lists in pages, watches with bookmarks from where the list ended, and goes on from
 * the last version seen when a watch ends. After 410 all is listed anew. Every ten minutes the cache is compared with a
 * list: what a watch failed to tell is counted and mended.
 */
export class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #timing: ReflectorTiming;
  readonly #cache: ObjectCache<T>;
  readonly #log: Log;
  readonly #meter: Meter;
  readonly #synced = Promise.withResolvers<void>();
  #hasSynced = false;
  #version: string | undefined;
  /** Answers with an error, since the last event. */
  #refusals = 0;
  /** Counts the watches that were opened. */
  #watches = 0;
  #heardAt = performance.now();
  /** Keys that a watch told of while an audit runs. */
  #touched: Set<string> | undefined;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    this.#cache = new ObjectCache(options.onChange, keepFieldsOf<T>(options.manager ?? ''));
    this.#log = options.log.child({ resource: options.resource.plural });
    this.#meter = options.meter ?? NO_METER;
  }

  /** By `<namespace>/<name>`. */
  get objects(): ReadonlyMap<string, T> {
    return this.#cache.objects;
  }

  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Resolves when the first list is in the cache. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  /** Seconds since the server was last heard of: a list, an event or a bookmark. */
  get ageSeconds(): number {
    return (performance.now() - this.#heardAt) / 1000;
  }

  /** Takes in what a write of ours was answered with, before the watch tells of it. */
  assume(object: T): void {
    const { metadata } = object;
    this.#cache.set(this.#options.metadataOnly ? ({ ...PARTIAL_TYPE, metadata } as T) : object);
  }

  /** Lists and watches until `signal` aborts. Never throws: failures are logged, counted and tried again. */
  async run(signal: AbortSignal): Promise<void> {
    const audit = this.#auditFrom(signal);
    const backoff = new Backoff(this.#timing.backoffMinMs, this.#timing.backoffMaxMs);
    while (!signal.aborted) {
      const began = performance.now();
      let askedMs = 0;
      const end = await this.#attempt(signal).catch((error: unknown) => {
        if (error instanceof KubeError) askedMs = Math.min(error.retryAfterMs, MAX_ASKED_MS);
        return this.#failed(error, signal);
      });
      let ownMs = 0;
      if (end === 'told' || performance.now() - began > this.#timing.healthyMs) backoff.reset();
      else ownMs = end === 'failed' ? backoff.next() : jittered(this.#timing.quietMs);
      const waitMs = Math.max(ownMs, askedMs);
      if (waitMs > 0) await delay(waitMs, undefined, { signal }).catch(() => {});
    }
    await audit;
  }

  /** One watch, with a list before it where there is no place to go on from. */
  async #attempt(signal: AbortSignal): Promise<WatchEnd> {
    if (this.#version === undefined) {
      const version = await this.#replace(signal);
      this.#version = version;
      this.#refusals = 0;
      this.#hasSynced = true;
      this.#synced.resolve();
    }
    return this.#watch(this.#version, signal);
  }

  /** Lists all, and gives as of which version. @throws KubeError */
  async #replace(signal: AbortSignal): Promise<string> {
    const { newest } = this.#cache;
    const { items, version } = await this.#list<T>(this.#options.metadataOnly ?? false, signal);
    this.#cache.replace(items, version, newest);
    return version;
  }

  #failed(error: unknown, signal: AbortSignal): WatchEnd {
    if (signal.aborted) return 'failed';
    const code = error instanceof KubeError ? error.code : 'ERR_INTERNAL';
    // Who is merely too busy says nothing of the version.
    if (error instanceof KubeError && error.status > 0 && code !== 'ERR_KUBE_THROTTLED') this.#refusals += 1;
    if (code === 'ERR_KUBE_GONE' || this.#refusals >= REFUSALS_BEFORE_LIST) this.#version = undefined;
    this.#meter.count('headwater_kube_watch_failures_total', code);
    const level = code === 'ERR_KUBE_GONE' ? 'info' : 'warn';
    this.#log[level]({ err: error, code }, 'watch failed');
    return 'failed';
  }

  async #list<I extends KubeObject>(
    metadataOnly: boolean,
    signal: AbortSignal,
  ): Promise<{ readonly items: readonly I[]; readonly version: string }> {
    for (let tries = 0; ; tries++) {
      try {
        return await this.#listOnce<I>(metadataOnly, signal);
      } catch (error) {
        // The server forgot the list while its pages were read: from the top.
        if (!KubeError.is(error, 'ERR_KUBE_GONE') || tries >= MAX_LIST_RESTARTS) throw error;
      }
    }
  }

  async #listOnce<I extends KubeObject>(metadataOnly: boolean, signal: AbortSignal) {
    const { client, resource } = this.#options;
    const items: I[] = [];
    let token: string | undefined;
    for (;;) {
      const page = await client.request<ListPage<I>>({
        path: this.#path(),
        query: { ...this.#selectors(), limit: PAGE_SIZE, continue: token },
        accept: metadataOnly ? `application/json;${PARTIAL_LIST}` : 'application/json',
        timeoutMs: 30_000,
        signal,
      });
      this.#heard();
      // Items of a list don't say what they are.
      const type = metadataOnly ? PARTIAL_TYPE : { apiVersion: apiVersionOf(resource), kind: resource.kind };
      for (const item of page.items ?? []) items.push({ ...item, ...type });
      token = page.metadata.continue || undefined;
      if (token === undefined) return { items, version: page.metadata.resourceVersion };
    }
  }

  /** One watch, to the end that the server gives it. @throws KubeError */
  async #watch(version: string, parent: AbortSignal): Promise<WatchEnd> {
    const own = new AbortController();
    const signal = AbortSignal.any([parent, own.signal]);
    const stalled = setInterval(() => {
      const silentMs = performance.now() - this.#heardAt;
      if (silentMs <= this.#timing.stallMs) return;
      own.abort(new KubeError('ERR_KUBE_STALLED', `silent for ${Math.round(silentMs / 1000)} s`));
    }, this.#timing.stallMs / 10);
    try {
      const [least, most] = WATCH_SECONDS;
      const body = await this.#options.client.open({
        path: this.#path(),
        query: {
          ...this.#selectors(),
          watch: true,
          allowWatchBookmarks: true,
          resourceVersion: version,
          timeoutSeconds: Math.round(least + Math.random() * (most - least)),
        },
        accept: this.#options.metadataOnly ? `application/json;${PARTIAL}` : 'application/json',
        timeoutMs: Math.min(30_000, this.#timing.stallMs),
        signal,
      });
      this.#heard();
      this.#watches += 1;
      return await this.#read(body);
    } catch (error) {
      if (own.signal.aborted && !parent.aborted) throw own.signal.reason;
      if (error instanceof KubeError) throw error;
      const why = error instanceof Error ? error.message : String(error);
      throw new KubeError('ERR_KUBE_UNREACHABLE', `a watch broke off: ${why}`, { cause: error });
    } finally {
      clearInterval(stalled);
      own.abort();
    }
  }

  async #read(body: AsyncIterable<Buffer>): Promise<WatchEnd> {
    const lines = new WatchLines();
    let end: WatchEnd = 'quiet';
    for await (const bytes of body) {
      this.#heard();
      for (const event of lines.push(bytes)) {
        this.#take(event);
        this.#refusals = 0;
        end = 'told';
      }
    }
    return end;
  }

  #take({ type, object }: WatchEvent): void {
    if (type === 'ERROR') {
      const status = object as ApiStatus;
      throw errorOfStatus(status.code ?? 500, status, 'watch');
    }
    const changed = object as T;
    const version = changed.metadata?.resourceVersion;
    if (version === undefined) throw new KubeError('ERR_KUBE_MALFORMED', 'a watch event without resourceVersion');
    // Events that come again, or late, must not turn the place to go on from back.
    if (this.#version === undefined || compareVersions(version, this.#version) > 0) this.#version = version;
    if (type === 'BOOKMARK') return;
    const key = keyOf(changed);
    this.#touched?.add(key);
    if (type === 'DELETED') this.#cache.delete(key, version);
    else this.#cache.set(changed);
  }

  /** Every `auditMs` a list of names and versions: a key that differs, and that no event came for meanwhile, was missed. */
  async #auditFrom(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await delay(this.#timing.auditMs, undefined, { signal }).catch(() => {});
      if (signal.aborted || !this.#hasSynced) continue;
      try {
        await this.#audit(signal);
      } catch (error) {
        if (!signal.aborted) this.#log.info({ err: error }, 'cache audit failed');
      }
      this.#touched = undefined;
    }
  }

  async #audit(signal: AbortSignal): Promise<void> {
    const touched = new Set<string>();
    this.#touched = touched;
    const watches = this.#watches;
    const { items } = await this.#list<KubeObject>(true, signal);
    await delay(this.#timing.auditGraceMs, undefined, { signal });
    // Another watch began meanwhile: what it has yet to tell is not missed.
    if (watches !== this.#watches) return;
    const listed = new Map(items.map((item) => [keyOf(item), item.metadata.resourceVersion]));
    const missed = [...new Set([...listed.keys(), ...this.objects.keys()])].filter(
      (key) => !touched.has(key) && listed.get(key) !== this.objects.get(key)?.metadata.resourceVersion,
    );
    if (missed.length === 0) return;
    for (const _ of missed) this.#meter.count('headwater_kube_cache_misses_total', this.#options.resource.plural);
    this.#log.warn({ missed: missed.length, keys: missed.slice(0, 5) }, 'a watch missed changes');
    await this.#replace(signal);
  }

  #heard(): void {
    this.#heardAt = performance.now();
  }

  #path(): string {
    return pathOf(this.#options.resource, { namespace: this.#options.namespace });
  }

  #selectors() {
    const { labelSelector, fieldSelector } = this.#options;
    return { labelSelector, fieldSelector };
  }
}
