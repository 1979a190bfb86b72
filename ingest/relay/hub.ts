import type { MediaSink, PublicationInfo, PublishGrant } from '../media/publication.ts';
import type { Log } from '../runtime/log.ts';
import type { Meter } from '../runtime/meter.ts';
import type { Encoding } from './batch.ts';
import { FlushClock, flushTickMs, type Restful } from './flush-clock.ts';
import type { GopCacheLimits } from './gop-cache.ts';
import { Publication } from './publication.ts';
import { type IsRevoked, type PathSettings, type PublisherHandler, Stream, type StreamSettings } from './stream.ts';
import { type ByteSink, Viewer, type ViewerEnd, type ViewerHandler, type ViewerSettings } from './viewer.ts';

/** Settings of the relay; `config` has all of them. */
export interface HubSettings extends StreamSettings, GopCacheLimits {
  /** Longest flush tick in ms. */
  readonly maxBatch: number;
  /** Outgoing RTMP chunk size, bytes. */
  readonly chunkSize: number;
  readonly viewer: ViewerSettings;
}

/** Who asks to publish. */
export interface PublishRequest {
  readonly path: string;
  readonly protocol: PublicationInfo['protocol'];
  readonly connId: string;
  /** What it was let in with. */
  readonly grant?: PublishGrant;
}

/** What the hub needs around it. */
export interface HubOptions {
  readonly settings: HubSettings;
  /** The settings of paths that have their own. */
  readonly pathSettings?: (path: string) => PathSettings | undefined;
  /** Gives each publication its name and its place in the order of its path. */
  readonly claim: (path: string) => { readonly pub: string; readonly epoch: number };
  /** A publication has ended. `lastMediaAt`: `performance.now()` of its last frame, or of its acceptance. */
  readonly release?: (info: PublicationInfo, lastMediaAt: number) => void;
  /** Makes what reads every publication beside the viewers: the recorder, statistics. */
  readonly taps: readonly ((info: PublicationInfo) => MediaSink | undefined)[];
  readonly log: Log;
  readonly meter: Meter;
  /** A viewer came (`joined`) or is gone; `viewers`: how many the path has now. */
  readonly onViewer?: (path: string, change: 'joined' | 'left' | ViewerEnd, viewers: number) => void;
}

/** A viewer's seat at a path. `viewer` sends the control messages of its connection. */
export interface Seat {
  readonly viewer: Viewer;
  /** Begins: the handler is told at once, or later, when media follows. Returns the number of viewers, this one included. */
  take(): number;
  /** Ends; may be called at any time, more than once. */
  leave(): void;
}

/** What viewers watch through; `rtmp` includes RTMPS. */
export type PlayProtocol = 'rtmp' | 'http-flv' | 'srt';

function protocolOf(encoding: Encoding): PlayProtocol {
  if (encoding === 'ts') return 'srt';
  return encoding.startsWith('rtmp') ? 'rtmp' : 'http-flv';
}

/** All live paths: who may publish, who watches what. */
export class Hub {
  readonly #options: HubOptions;
  readonly #streams = new Map<string, Stream>();
  readonly #clock: FlushClock;
  #viewers = 0;
  #closed = false;

  constructor(options: HubOptions) {
    this.#options = options;
    this.#clock = new FlushClock(() => flushTickMs(this.#viewers, options.settings.maxBatch));
  }

  /** Paths that have a publisher or viewers. */
  get streams(): ReadonlyMap<string, Stream> {
    return this.#streams;
  }

  /** All viewers of all paths. */
  get viewerCount(): number {
    return this.#viewers;
  }

  /** Viewers by what they watch through; `rtmp` includes RTMPS. */
  viewersByProtocol(): Map<string, number> {
    const counts = new Map<PlayProtocol, number>([
      ['rtmp', 0],
      ['http-flv', 0],
      ['srt', 0],
    ]);
    for (const stream of this.#streams.values()) {
      for (const { encoding } of stream.media.viewers) {
        const protocol = protocolOf(encoding);
        counts.set(protocol, counts.get(protocol)! + 1);
      }
    }
    return counts;
  }

  /** How long the publisher of a path may be without media, ms; undefined where the path has no limit of its own. */
  idleTimeoutMs(path: string): number | undefined {
    return this.#options.pathSettings?.(path)?.idleTimeoutMs;
  }

  /** Ends the publisher of a path, accepted or still held, that may publish no more. */
  revoke(path: string, isRevoked: IsRevoked): void {
    this.#streams.get(path)?.revoke(isRevoked);
  }

  /** Ends the viewers of a path that may watch through this no more. */
  dismiss(path: string, mayWatch: (protocol: PlayProtocol) => boolean): void {
    this.#streams.get(path)?.dismiss(({ encoding }) => mayWatch(protocolOf(encoding)));
  }

  /** Admits, holds or refuses a publisher: `handler` is told which. The function returned withdraws one that is still held. */
  publish(request: PublishRequest, handler: PublisherHandler): () => void {
    if (this.#closed) {
      handler.onRefused();
      return () => {};
    }
    const stream = this.#stream(request.path);
    return stream.publish(handler, (owner) => this.#open(request, owner), request.grant);
  }

  /** Lets the socket of a publisher rest until its viewers are sent something again: see {@link FlushClock.rest}. */
  restUntilFlush(socket: Restful): boolean {
    return this.#clock.rest(socket);
  }

  /** A seat for a viewer, whether or not somebody publishes on the path yet. */
  seat(path: string, encoding: Encoding, sink: ByteSink, handler: ViewerHandler): Seat {
    const viewer = new Viewer(sink, encoding, this.#counting(handler), {
      settings: this.#options.settings.viewer,
      now: performance.now(),
    });
    let stream: Stream | undefined;
    return {
      viewer,
      take: () => {
        if (this.#closed) {
          handler.onEnd('shutdown');
          return 0;
        }
        stream = this.#stream(path);
        this.#viewers++;
        const total = stream.viewerCount + 1;
        this.#options.onViewer?.(path, 'joined', total);
        stream.watch(viewer);
        return total;
      },
      leave: () => stream?.leave(viewer),
    };
  }

  /** Ends all publications and viewers, and every timer. */
  close(): void {
    this.#closed = true;
    for (const stream of [...this.#streams.values()]) {
      stream.flush(performance.now());
      stream.close();
    }
    this.#clock.close();
  }

  #stream(path: string): Stream {
    let stream = this.#streams.get(path);
    if (stream === undefined) {
      stream = this.#make(path);
      this.#streams.set(path, stream);
    }
    return stream;
  }

  #make(path: string): Stream {
    const { settings, meter } = this.#options;
    const stream: Stream = new Stream({
      path,
      settings,
      ownSettings: () => this.#options.pathSettings?.(path),
      media: { limits: settings, chunkSize: settings.chunkSize, now: () => performance.now() },
      onDirty: (stream) => this.#clock.markDirty(stream),
      onViewerLeft: (_viewer, reason) => {
        this.#viewers--;
        if (reason === 'stalled') meter.count('headwater_viewers_evicted_total', reason);
        this.#options.onViewer?.(path, reason, stream.viewerCount);
      },
      onPublicationEnded: ({ info, lastMediaAt }, cause) => {
        this.#options.release?.(info, lastMediaAt);
        meter.count('headwater_publications_ended_total', cause);
        this.#options.log.info(
          { stream_key: info.path, conn_id: info.connId, pub: info.pub, cause },
          'publication ended',
        );
      },
      onTapFailed: (info, error) => {
        const fields = { stream_key: info.path, conn_id: info.connId, pub: info.pub, err: error };
        this.#options.log.error(fields, 'recording or statistics failed on an error of the server');
      },
      onIdle: () => {
        if (this.#streams.get(path) === stream) this.#streams.delete(path);
      },
    });
    return stream;
  }

  #open(request: PublishRequest, owner: Stream): Publication {
    const info: PublicationInfo = { ...request, ...this.#options.claim(request.path), startedAt: new Date() };
    const { log, meter, taps } = this.#options;
    meter.count('headwater_publications_total', request.protocol);
    log.info({ stream_key: info.path, conn_id: info.connId, pub: info.pub, epoch: info.epoch }, 'publication started');
    return new Publication(
      info,
      taps.map((tap) => tap(info)).filter((sink) => sink !== undefined),
      owner,
    );
  }

  #counting(handler: ViewerHandler): ViewerHandler {
    const { meter } = this.#options;
    return {
      onReady: () => handler.onReady(),
      onHeaders: (headers) => handler.onHeaders?.(headers),
      onEnd: (reason) => handler.onEnd(reason),
      onCut: (frames) => {
        meter.count('headwater_viewer_cuts_total');
        meter.count('headwater_viewer_dropped_frames_total', null, frames);
        handler.onCut?.(frames);
      },
    };
  }
}
