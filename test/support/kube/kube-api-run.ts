import { findAccess, KubeClient } from '../../../kube/client.ts';
import type { KubeObject } from '../../../kube/kube-object.ts';
import type { Resource } from '../../../kube/resource.ts';
import { LIVE_STREAMS } from '../../../operator/watch/resources.ts';
import { TempDir } from '../temp-dir.ts';
import { ControlPlane, type ControlPlaneOptions } from './control-plane.ts';
import { PodAddresses } from './pod-addresses.ts';
import { Release, type ReleaseOptions } from './release.ts';

/** A LiveStream, as far as tests look. */
export interface StreamObject extends KubeObject {
  readonly spec?: object;
  readonly status?: {
    readonly phase?: string;
    readonly observedGeneration?: number;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly observedGeneration?: number;
    }[];
    // biome-ignore lint/suspicious/noExplicitAny: the whole of it is in crds/live-stream-status.ts
    readonly [field: string]: any;
  };
}

/** What one test file of this suite stands on: an API server, addresses for pods, an administrator. */
export class KubeApiRun implements AsyncDisposable {
  readonly dir: TempDir;
  readonly plane: ControlPlane;
  readonly addresses: readonly string[];
  /** As the administrator, in no hurry limit. */
  readonly client: KubeClient;
  readonly #network: PodAddresses;

  private constructor(dir: TempDir, plane: ControlPlane, network: PodAddresses, client: KubeClient) {
    this.dir = dir;
    this.plane = plane;
    this.addresses = network.all;
    this.client = client;
    this.#network = network;
  }

  static async start(
    name: string,
    options: Omit<ControlPlaneOptions, 'dir'> & { readonly addresses?: number } = {},
  ): Promise<KubeApiRun> {
    const { addresses = 3, ...others } = options;
    const dir = new TempDir(name);
    const network = await PodAddresses.make(addresses);
    try {
      const plane = await ControlPlane.start({ dir: dir.join('plane'), ...others });
      const access = await findAccess(plane.kubeconfig);
      const client = new KubeClient({ access, requestsPerSecond: 1e4, burst: 1e4 });
      return new KubeApiRun(dir, plane, network, client);
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The chart, without SRT and as `set` says more. */
  install(options: Partial<Omit<ReleaseOptions, 'plane' | 'dir'>> = {}): Promise<Release> {
    const { name = 'hw', set = [] } = options;
    const all = ['streams.protocols={RTMP}', 'streams.playback={RTMP,HTTPFLV}', ...set];
    return Release.install({ plane: this.plane, dir: this.dir.join(`release-${name}`), ...options, set: all });
  }

  /** Makes a LiveStream that records nothing, unless `spec` says so. */
  createStream(namespace: string, name: string, spec: object = {}): Promise<StreamObject> {
    const object = { apiVersion: 'headwater.dev/v1alpha1', kind: 'LiveStream', metadata: { namespace, name }, spec };
    return this.client.create<StreamObject>(LIVE_STREAMS, object);
  }

  stream(namespace: string, name: string): Promise<StreamObject> {
    return this.client.get<StreamObject>(LIVE_STREAMS, { namespace, name });
  }

  /** All objects of a kind; of all namespaces unless one is given. */
  async list<T extends KubeObject>(resource: Resource, namespace?: string): Promise<readonly T[]> {
    const group = resource.group === '' ? '/api' : `/apis/${resource.group}`;
    const within = namespace === undefined ? '' : `/namespaces/${namespace}`;
    const path = `${group}/${resource.version}${within}/${resource.plural}`;
    return (await this.client.request<{ readonly items: readonly T[] }>({ path, timeoutMs: 60_000 })).items;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
    await this.plane[Symbol.asyncDispose]();
    await this.#network[Symbol.asyncDispose]();
    this.dir[Symbol.dispose]();
  }
}

/** Whether the status is about the newest spec, and the condition has this status. */
export function hasCondition({ metadata, status }: StreamObject, type: string, wanted = 'True'): boolean {
  const isNewest = status?.observedGeneration === metadata.generation;
  return isNewest && (status?.conditions ?? []).some((each) => each.type === type && each.status === wanted);
}
