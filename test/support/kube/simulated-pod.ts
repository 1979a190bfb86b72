import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { ANNOTATIONS, CONFIG_KEY, HEARTBEAT, heartbeatLeaseName, LABELS, SECRET_TYPES } from '../../../crds/names.ts';
import { INTERNAL_PATHS, type PodReport, type StreamReport, SUMMARY_INTERVAL_MS } from '../../../crds/pod-status.ts';
import type { StreamConfig } from '../../../crds/stream-config.ts';
import type { KubeClient } from '../../../kube/client.ts';
import type { KubeObject } from '../../../kube/kube-object.ts';
import { microTime, readLease, writeLease } from '../../../kube/lease.ts';
import { Reflector } from '../../../kube/reflector.ts';
import { SECRETS } from '../../../kube/resource.ts';
import { NO_LOG } from './test-log.ts';

type ConfigSecret = KubeObject & { readonly type?: string; readonly data?: Readonly<Record<string, string>> };

export interface SimulatedPodOptions {
  readonly client: KubeClient;
  readonly runtimeNamespace: string;
  readonly pool: string;
  readonly name: string;
  /** On which it is asked; its port is 9090. */
  readonly address: string;
  /** Whether a stream's publisher is on this pod once it is told to go live. */
  readonly owns: (path: string) => boolean;
}

/** What it knows of a stream. */
interface Stream {
  readonly config: StreamConfig;
  /** When the configuration came, by `performance.now()`. */
  readonly seenAt: number;
  publisher: StreamReport['publisher'];
  segments: number;
}

/**
 * A pod as the operator sees one: it reads its streams' configurations, beats, and tells what it obeys and who publishes. Media
 * are not simulated: there are none. For a thousand live streams, which real pods could not have on a machine of two cores.
 */
export class SimulatedPod implements AsyncDisposable {
  readonly #options: SimulatedPodOptions;
  readonly #server: Server;
  readonly #reflector: Reflector<ConfigSecret>;
  readonly #stop = new AbortController();
  readonly #streams = new Map<string, Stream>();
  readonly #readers = new Set<ServerResponse>();
  /** Uids to be told of. */
  readonly #changed = new Set<string>();
  readonly #gone = new Set<string>();
  readonly #timers: NodeJS.Timeout[] = [];
  #running: Promise<void> = Promise.resolve();
  #version: string | undefined;
  #isLive = false;

  private constructor(options: SimulatedPodOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => this.#answer(request.url ?? '', response));
    const { client, runtimeNamespace: namespace } = options;
    this.#reflector = new Reflector<ConfigSecret>({
      ...{ client, namespace, resource: SECRETS, log: NO_LOG },
      onChange: (_, now, before) => this.#note(now, before),
    });
  }

  static async start(options: SimulatedPodOptions): Promise<SimulatedPod> {
    const pod = new SimulatedPod(options);
    pod.#server.listen(9090, options.address);
    await once(pod.#server, 'listening');
    pod.#running = pod.#reflector.run(pod.#stop.signal);
    await pod.#beat();
    pod.#timers.push(setInterval(() => void pod.#beat().catch(() => {}), HEARTBEAT.renewEveryMs));
    pod.#timers.push(setInterval(() => pod.#summarise(), SUMMARY_INTERVAL_MS));
    return pod;
  }

  /** How many streams it has a configuration for. */
  get count(): number {
    return this.#streams.size;
  }

  /** The configuration of a path and when it came; undefined: there is none. */
  configOf(path: string): Pick<Stream, 'config' | 'seenAt'> | undefined {
    return [...this.#streams.values()].find(({ config }) => config.path === path);
  }

  /** Every stream that it owns has a publisher from now on, whose figures change as those of cameras do. */
  goLive(): void {
    this.#isLive = true;
    for (const [uid, stream] of this.#streams) {
      if (!this.#options.owns(stream.config.path)) continue;
      stream.publisher = publisherOf(stream.config);
      this.#changed.add(uid);
    }
    this.#tell();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#stop.abort();
    await this.#running;
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }

  #note(now: ConfigSecret | undefined, before: ConfigSecret | undefined): void {
    const secret = now ?? before!;
    if (secret.type !== SECRET_TYPES.streamConfig) return;
    const uid = secret.metadata.labels![LABELS.uid]!;
    if (!now) {
      this.#streams.delete(uid);
      this.#gone.add(uid);
    } else {
      const text = Buffer.from(now.data![CONFIG_KEY]!, 'base64').toString();
      const config: StreamConfig = JSON.parse(text);
      const known = this.#streams.get(uid);
      const publisher = known?.publisher ?? null;
      this.#streams.set(uid, { config, seenAt: performance.now(), publisher, segments: known?.segments ?? 0 });
      this.#changed.add(uid);
    }
    if (this.#changed.size + this.#gone.size === 1) setImmediate(() => this.#tell());
  }

  #answer(url: string, response: ServerResponse): void {
    if (url !== INTERNAL_PATHS.events) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    response.write(this.#line('all', [...this.#streams.keys()], []));
    this.#readers.add(response);
    response.on('close', () => this.#readers.delete(response));
  }

  #tell(): void {
    const line = this.#line('changes', [...this.#changed], [...this.#gone]);
    this.#changed.clear();
    this.#gone.clear();
    for (const reader of this.#readers) reader.write(line);
  }

  /** Figures of all that is live: bit rates swing by a fifth, each recording has another segment or two. */
  #summarise(): void {
    if (this.#isLive) {
      for (const [uid, stream] of this.#streams) {
        if (!stream.publisher) continue;
        const bitsPerSecond = Math.round(4e6 * (0.8 + 0.4 * Math.random()));
        stream.publisher = { ...stream.publisher, bitsPerSecond };
        stream.segments += 2;
        this.#changed.add(uid);
      }
    }
    this.#tell();
  }

  #line(kind: PodReport['kind'], uids: readonly string[], gone: readonly string[]): string {
    const at = new Date().toISOString();
    const streams = uids.flatMap((uid) => this.#reportOf(uid, at) ?? []);
    const report: PodReport = {
      ...{ kind, pod: this.#options.name, at, draining: false, spoolPersistent: true },
      ...{ streams, gone: [...gone], finishedTombstones: [] },
    };
    return `${JSON.stringify(report)}\n`;
  }

  #reportOf(uid: string, at: string): StreamReport | undefined {
    const stream = this.#streams.get(uid);
    if (!stream) return undefined;
    const { config, publisher, segments } = stream;
    const recording = publisher && {
      ...{ current: 'r', lastSegmentTime: at, segmentsTotal: segments },
      ...{ backlogBytes: 0, oldestPendingAgeMs: null, gaps: 0, problem: null },
    };
    return { uid, path: config.path, revision: config.revision, refusal: null, publisher, recording };
  }

  async #beat(): Promise<void> {
    const { client, runtimeNamespace: namespace, pool, name, address } = this.#options;
    const lease = heartbeatLeaseName(name);
    this.#version ??= (await readLease(client, namespace, lease))?.metadata.resourceVersion;
    const content = {
      namespace,
      name: lease,
      labels: { [LABELS.pool]: pool },
      annotations: {
        [ANNOTATIONS.address]: address,
        [ANNOTATIONS.internalPort]: '9090',
        [ANNOTATIONS.draining]: 'false',
      },
      spec: {
        holderIdentity: name,
        leaseDurationSeconds: HEARTBEAT.durationSeconds,
        renewTime: microTime(Date.now()),
      },
    };
    this.#version = (await writeLease(client, content, { over: this.#version })).metadata.resourceVersion;
  }
}

function publisherOf({ uid, credentials }: StreamConfig): StreamReport['publisher'] {
  return {
    ...{ pub: uid.slice(0, 8), epoch: 1, protocol: 'RTMP', since: new Date().toISOString() },
    ...{ video: 'h264 1280x720', audio: 'aac 48000', bitsPerSecond: 4e6 },
    ...{ credentialsRevision: credentials.revision, usesPreviousKey: false },
  };
}
