import { chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { ociArchive } from '../../../scripts/oci-archive.ts';
import { tool } from '../../setup/tools.ts';
import { output, type ProcessOptions, start, type TestProcess } from '../process.ts';
import { TempDir } from '../temp-dir.ts';
import { CHART } from './chart.ts';
import { NodeCluster } from './node-cluster.ts';

/** User and group of the pods, by the chart and the image. */
const USER = 10_001;
/** As the chart names it; here it is made of the MinIO that the other tests use. */
const MINIO_IMAGE: string = parse(readFileSync(path.join(CHART, 'values.yaml'), 'utf8')).minio.image;

/** A cluster of one node with what a release needs of its surroundings: images, volumes, and commands that reach it. */
export class ReleaseCluster implements AsyncDisposable {
  readonly cluster: NodeCluster;
  readonly #dir: TempDir;

  private constructor(cluster: NodeCluster, dir: TempDir) {
    this.cluster = cluster;
    this.#dir = dir;
  }

  static async start(): Promise<ReleaseCluster> {
    const release = new ReleaseCluster(await NodeCluster.start(), new TempDir('release'));
    try {
      await release.#importMinio();
      return release;
    } catch (error) {
      await release[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What a shell needs to reach the cluster: `kubectl` and `helm` in its path, and a kubeconfig. */
  get environment(): Readonly<Record<string, string>> {
    const bins = (['kubectl', 'helm', 'ffmpeg'] as const).map((name) => path.dirname(tool(name)));
    return { KUBECONFIG: this.cluster.kubeconfig, PATH: [...bins, process.env.PATH].join(':') };
  }

  kubectl(...args: string[]): Promise<string> {
    return this.cluster.kubectl(...args);
  }

  helm(...args: string[]): Promise<string> {
    return output(tool('helm'), args, { env: this.environment });
  }

  /** A script in a shell that reaches the cluster. */
  shell(script: string, options: ProcessOptions = {}): TestProcess {
    return start('sh', ['-ec', script], { ...options, env: { ...this.environment, ...options.env } });
  }

  /** Builds the image of this checkout, and gives it to the node. */
  async importProgram(): Promise<void> {
    const archive = this.#dir.join('headwater.tar');
    await output(process.execPath, [path.join(CHART, '..', '..', 'scripts', 'image.ts'), '--output', archive]);
    await this.cluster.importImage(archive);
  }

  /** Static volumes on the node for these claims, since nothing here makes volumes. They go with the cluster. */
  async provideVolumes(namespace: string, claims: readonly string[]): Promise<void> {
    const volumes = claims.map((claim) => {
      const folder = this.#dir.join(`volume-${namespace}-${claim}`);
      mkdirSync(folder, { recursive: true });
      // A path of the host is not given to the pod's group.
      chownSync(folder, USER, USER);
      return {
        apiVersion: 'v1',
        kind: 'PersistentVolume',
        metadata: { name: `${namespace}-${claim}` },
        spec: {
          capacity: { storage: '100Gi' },
          accessModes: ['ReadWriteOnce'],
          persistentVolumeReclaimPolicy: 'Retain',
          hostPath: { path: folder },
          claimRef: { namespace, name: claim },
        },
      };
    });
    await this.cluster.plane.apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: volumes }));
  }

  /** What a person would look at when something does not come: pods, logs, LiveStreams. */
  async state(namespace: string): Promise<string> {
    const ask = (...args: string[]): Promise<string> => this.kubectl(...args).catch((error: Error) => error.message);
    const pods = (await ask('-n', namespace, 'get', 'pods', '-o', 'name')).trim().split('\n');
    const logs = pods.map(async (pod) => `${pod}:\n${await ask('-n', namespace, 'logs', pod, '--tail=60')}`);
    const asked = [ask('get', 'pods', '-A'), ...logs, ask('get', 'lstream', '-A', '-o', 'wide')];
    return (await Promise.all(asked)).join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
    this.#dir[Symbol.dispose]();
  }

  async #importMinio(): Promise<void> {
    const { archive } = ociArchive({
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      name: `docker.io/${MINIO_IMAGE}`,
      layers: [
        { comment: 'minio', entries: [{ path: 'usr/bin/minio', mode: 0o755, content: readFileSync(tool('minio')) }] },
      ],
      config: {
        user: '0',
        entrypoint: ['/usr/bin/minio'],
        command: [],
        workdir: '/',
        env: { PATH: '/usr/bin' },
        ports: [],
        volumes: [],
        labels: {},
        stopSignal: 'SIGTERM',
      },
    });
    const file = this.#dir.join('minio.tar');
    writeFileSync(file, archive);
    await this.cluster.importImage(file);
  }
}
