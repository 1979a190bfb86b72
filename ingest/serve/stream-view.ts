import type { StreamView as MediaView, StreamMeter } from '../observe/session-view.ts';
import type { TrackView } from '../observe/track-meter.ts';
import type { Hub } from '../relay/hub.ts';
import type { Stream } from '../relay/stream.ts';
import type { ApiView } from './api.ts';

/** What of a path waits for the store. */
export interface BacklogView {
  /** Undefined where nothing is uploaded yet. */
  readonly upload: object | undefined;
  /** Seconds of media received and not yet confirmed by the store. */
  readonly secondsAtRisk: number;
}

/** What the recorder and the uploader say of a path; each may know nothing of it. */
export interface RecordingViews {
  /** Paths with something recorded that the store has not confirmed, or being recorded. */
  paths(): Iterable<string>;
  recording(path: string): object | undefined;
  /** By path, of everything in the spool: worked out in one pass, so asked for once a request. */
  backlogs(): ReadonlyMap<string, BacklogView>;
  /** Recordings in the spool, and the last that left it; of one path, where it is given. */
  recordings(path?: string): readonly object[];
}

/** What the SRT connections of a path say of themselves. */
export interface SrtViews {
  /** Undefined: it has no such connection. */
  publisherView(connId: string): object | undefined;
  viewerViews(path: string): readonly object[];
}

/** The read model of the API: hub, media statistics, recording and upload in one object a path. */
export class StreamViews implements ApiView {
  readonly #hub: Hub;
  readonly #meterOf: (pub: string) => StreamMeter | undefined;
  readonly #srt: SrtViews;
  readonly #recordings: RecordingViews | undefined;

  /** `recordings` is absent where nothing is recorded. */
  constructor(
    hub: Hub,
    meterOf: (pub: string) => StreamMeter | undefined,
    srt: SrtViews,
    recordings: RecordingViews | undefined,
  ) {
    this.#hub = hub;
    this.#meterOf = meterOf;
    this.#srt = srt;
    this.#recordings = recordings;
  }

  streams(): readonly object[] {
    const paths = new Set([...this.#hub.streams.keys(), ...(this.#recordings?.paths() ?? [])]);
    const backlogs = this.#recordings?.backlogs();
    return [...paths].sort().map((path) => this.#view(path, backlogs?.get(path), {}, {}));
  }

  stream(path: string): object | undefined {
    const backlog = this.#recordings?.backlogs().get(path);
    const known = this.#hub.streams.has(path) || this.#recordings?.recording(path) || backlog?.upload;
    if (!known) return undefined;
    const info = this.#hub.streams.get(path)?.publication?.info;
    const publisher = info?.protocol === 'srt' ? { srt: this.#srt.publisherView(info.connId) ?? null } : {};
    return this.#view(path, backlog, publisher, { srt: this.#srt.viewerViews(path) });
  }

  recordings(path?: string): readonly object[] {
    return this.#recordings?.recordings(path) ?? [];
  }

  /** `publisher` and `viewers`: what is shown of them in a stream by itself, but not in the list of all. */
  #view(path: string, backlog: BacklogView | undefined, publisher: object, viewers: object): object {
    const stream = this.#hub.streams.get(path);
    const info = stream?.publication?.info;
    const media = info === undefined ? undefined : this.#meterOf(info.pub)?.snapshot();
    return {
      path,
      state: info === undefined ? 'idle' : 'live',
      pub: info?.pub ?? null,
      epoch: info?.epoch ?? null,
      publisher:
        info === undefined
          ? null
          : { conn_id: info.connId, protocol: info.protocol, since: info.startedAt.toISOString(), ...publisher },
      ...mediaView(media),
      viewers: { count: stream?.viewerCount ?? 0, ...viewers },
      /** Add to an outgoing RTMP time to get the publisher's, ms. */
      timeOffset: offsetOf(stream),
      recording: this.#recordings?.recording(path) ?? null,
      upload: backlog?.upload ?? null,
      secondsAtRisk: backlog?.secondsAtRisk ?? 0,
    };
  }
}

function mediaView(media: MediaView | undefined): object {
  const tracks = media?.tracks ?? [];
  return {
    video: firstOf(tracks, 'video'),
    audio: firstOf(tracks, 'audio'),
    tracks,
    bitrate: media?.bitsPerSecond ?? 0,
    frames: media?.frames ?? 0,
    gaps: media?.gaps ?? { count: 0, seconds: 0 },
    encoder: media?.encoder ?? null,
  };
}

/** The first track of a kind in short: what most people look for. */
function firstOf(tracks: readonly TrackView[], kind: TrackView['kind']): object | null {
  const track = tracks.find((each) => each.kind === kind);
  if (track === undefined) return null;
  const { codec, profile, width, height, fps, sampleRate, channels, bitsPerSecond, gop } = track;
  const seconds = kind === 'video' ? { fps, gop: gop?.seconds ?? null } : {};
  return { codec, profile, width, height, sampleRate, channels, bitrate: bitsPerSecond, ...seconds };
}

function offsetOf(stream: Stream | undefined): number | null {
  const offset = stream?.media.offsetMs;
  return offset === undefined ? null : -offset;
}
