import {
  type PodReport,
  type PublisherReport,
  type RecordingReport,
  type StreamReport,
  SUMMARY_INTERVAL_MS,
} from '../../crds/pod-status.ts';
import type { StreamSet } from '../cluster/stream-set.ts';
import type { TombstoneSet } from '../cluster/tombstone-set.ts';
import type { LifecycleEvent, LifecycleFeed } from '../observe/lifecycle-feed.ts';
import type { StreamMeter } from '../observe/session-view.ts';
import type { TrackView } from '../observe/track-meter.ts';
import type { Hub } from '../relay/hub.ts';
import type { DedicatedPorts } from './dedicated-ports.ts';

/** What a pod reports from. */
export interface ReportSources {
  readonly pod: string;
  readonly spoolPersistent: boolean;
  readonly isDraining: () => boolean;
  readonly set: StreamSet;
  readonly tombstones: TombstoneSet;
  readonly hub: Hub;
  readonly feed: LifecycleFeed;
  readonly dedicatedPorts: Pick<DedicatedPorts, 'problemOf' | 'onProblem'>;
  readonly meterOf: (pub: string) => StreamMeter | undefined;
  /** Streams of which something was or is recorded. */
  readonly recorded: () => Iterable<{ readonly uid: string; readonly path: string }>;
  /** By uid; of one stream where it is given. */
  readonly recordings: (uid?: string) => ReadonlyMap<string, RecordingReport>;
}

/** What one reader was told last of each stream, by uid. */
interface Told {
  readonly streams: Map<string, string>;
  /** What is not of one stream. */
  rest: string;
}

/** Transitions that come together go out together, ms. */
const TOGETHER_MS = 20;
/** Above so many streams at once it is cheaper to look through all recordings together. */
const FEW = 4;
/** When codecs and resolution of a new publication are known, as a rule, ms after its start. */
const SETTLED_MS = [500, 2_000];
const PROTOCOLS = { rtmp: 'RTMP', rtmps: 'RTMPS', srt: 'SRT' } as const;

/** Tells readers how the streams of this pod are: all at first, transitions at once, everything else every ten seconds. */
export class PodReports implements Disposable {
  readonly #sources: ReportSources;
  readonly #readers = new Map<(report: PodReport) => void, Told>();
  readonly #touched = new Set<string>();
  readonly #unsubscribe: (() => void)[];
  readonly #summaries: NodeJS.Timeout;
  #together: NodeJS.Timeout | undefined;

  constructor(sources: ReportSources) {
    this.#sources = sources;
    const { set, tombstones, feed, dedicatedPorts } = sources;
    this.#unsubscribe = [
      set.onChange(({ path }) => this.#touchPath(path)),
      set.onRefusal((uid) => this.#touch(uid)),
      dedicatedPorts.onProblem((path) => this.#touchPath(path)),
      tombstones.onChange(() => this.#touch('')),
      feed.subscribe((event) => this.#onEvent(event)),
    ];
    this.#summaries = setInterval(() => this.#tellAll(), SUMMARY_INTERVAL_MS).unref();
  }

  /** How everything is now. */
  all(): PodReport {
    return { ...this.#head('all'), streams: [...this.#streams().values()] };
  }

  /** `send` gets all at once, then what changes. Returns the function that stops it. */
  follow(send: (report: PodReport) => void): () => void {
    const all = this.all();
    const streams = new Map(all.streams.map((stream) => [stream.uid, JSON.stringify(stream)]));
    this.#readers.set(send, { streams, rest: restOf(all) });
    send(all);
    return () => this.#readers.delete(send);
  }

  /** Something about a stream has changed that is worth telling at once; '' for what is not of one stream. */
  #touch(uid: string): void {
    if (this.#readers.size === 0) return;
    this.#touched.add(uid);
    this.#together ??= setTimeout(() => this.#tellTouched(), TOGETHER_MS).unref();
  }

  /** The stream of a path, and those that were recorded under it before. */
  #touchPath(path: string): void {
    this.#touch(this.#sources.set.of(path)?.uid ?? '');
    for (const known of this.#sources.recorded()) if (known.path === path) this.#touch(known.uid);
  }

  #onEvent(event: LifecycleEvent): void {
    switch (event.type) {
      case 'publication-started':
        this.#touchPath(event.path);
        for (const ms of SETTLED_MS) setTimeout(() => this.#touchPath(event.path), ms).unref();
        break;
      case 'publication-ended':
      case 'recording-gap':
        this.#touchPath(event.path);
        break;
      default:
    }
  }

  /** The last word: it is draining, or whatever else has changed. */
  flush(): void {
    this.#tellAll();
  }

  [Symbol.dispose](): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    clearInterval(this.#summaries);
    clearTimeout(this.#together);
    this.#readers.clear();
  }

  #tellTouched(): void {
    this.#together = undefined;
    const touched = [...this.#touched];
    this.#touched.clear();
    const recorded = new Map([...this.#sources.recorded()].map(({ uid, path }) => [uid, path]));
    const streams = new Map<string, StreamReport>();
    const all = touched.length > FEW ? this.#sources.recordings() : undefined;
    for (const uid of touched) {
      const recordings = all ?? this.#sources.recordings(uid);
      const stream = this.#stream(uid, recorded.get(uid), recordings.get(uid));
      if (stream !== undefined) streams.set(uid, stream);
    }
    const known = new Set([...this.#sources.set.streams].map(({ uid }) => uid));
    for (const uid of recorded.keys()) known.add(uid);
    for (const [send, told] of this.#readers) this.#tell(send, told, streams, known);
  }

  #tellAll(): void {
    if (this.#readers.size === 0) return;
    const streams = this.#streams();
    for (const [send, told] of this.#readers) this.#tell(send, told, streams, undefined);
  }

  /** Sends what the reader was not told yet. Without `known`, the uids that still are, `streams` are all: a summary, sent even where nothing is new. */
  #tell(
    send: (report: PodReport) => void,
    told: Told,
    streams: ReadonlyMap<string, StreamReport>,
    known: ReadonlySet<string> | undefined,
  ): void {
    const changed: StreamReport[] = [];
    for (const [uid, stream] of streams) {
      const text = JSON.stringify(stream);
      if (told.streams.get(uid) === text) continue;
      told.streams.set(uid, text);
      changed.push(stream);
    }
    const head = this.#head('changes');
    const gone = [...told.streams.keys()].filter((uid) => !(known ?? streams).has(uid));
    for (const uid of gone) told.streams.delete(uid);
    const rest = restOf(head);
    if (known !== undefined && changed.length === 0 && gone.length === 0 && rest === told.rest) return;
    told.rest = rest;
    send({ ...head, streams: changed, gone });
  }

  #head(kind: PodReport['kind']): PodReport {
    const { pod, isDraining, spoolPersistent, tombstones } = this.#sources;
    return {
      ...{ kind, pod, spoolPersistent, at: new Date().toISOString() },
      draining: isDraining(),
      streams: [],
      gone: [],
      finishedTombstones: [...tombstones.finished],
    };
  }

  #streams(): ReadonlyMap<string, StreamReport> {
    const recordings = this.#sources.recordings();
    const paths = new Map([...this.#sources.set.streams].map(({ uid, path }) => [uid, path]));
    for (const { uid, path } of this.#sources.recorded()) if (!paths.has(uid)) paths.set(uid, path);
    const streams = new Map<string, StreamReport>();
    for (const [uid, path] of paths) {
      const stream = this.#stream(uid, path, recordings.get(uid));
      if (stream !== undefined) streams.set(uid, stream);
    }
    return streams;
  }

  /** Undefined where nothing of it is known any more. */
  #stream(
    uid: string,
    recordedPath: string | undefined,
    recording: RecordingReport | undefined,
  ): StreamReport | undefined {
    const known = this.#sources.set.byUid(uid);
    const path = known?.path ?? recordedPath;
    if (path === undefined) return undefined;
    // What is neither configured nor has anything left to store is of no interest to anyone.
    if (known === undefined && !recording?.backlogBytes && !recording?.current) return undefined;
    return {
      ...{ uid, path },
      revision: known?.config?.revision ?? null,
      refusal: (known?.refusal ?? this.#sources.dedicatedPorts.problemOf(path))?.slice(0, 1024) ?? null,
      publisher: this.#publisher(uid, path),
      recording: recording ?? null,
    };
  }

  #publisher(uid: string, path: string): PublisherReport | null {
    const { hub, meterOf, set } = this.#sources;
    const info = hub.streams.get(path)?.publication?.info;
    if (info?.grant?.owner !== uid) return null;
    const media = meterOf(info.pub)?.snapshot();
    const tracks = media?.tracks ?? [];
    const revision = info.grant.credentialRevision;
    return {
      ...{ pub: info.pub, epoch: info.epoch },
      protocol: PROTOCOLS[info.protocol],
      since: info.startedAt.toISOString(),
      video: describe(tracks.find(({ kind }) => kind === 'video')),
      audio: describe(tracks.find(({ kind }) => kind === 'audio')),
      bitsPerSecond: Math.round(media?.bitsPerSecond ?? 0),
      credentialsRevision: revision,
      usesPreviousKey: revision !== set.byUid(uid)?.config?.credentials.revision,
    };
  }
}

function restOf({ draining, finishedTombstones }: PodReport): string {
  return JSON.stringify([draining, finishedTombstones]);
}

/** `h264 1920x1080`, `aac 48000`. */
function describe(track: TrackView | undefined): string | null {
  if (track === undefined) return null;
  const { codec, width, height, sampleRate } = track;
  const detail = track.kind === 'video' ? (width && height ? `${width}x${height}` : undefined) : sampleRate;
  return [codec, detail]
    .filter((part) => part !== undefined && part !== null)
    .join(' ')
    .slice(0, 64);
}
