import { globSync, readFileSync } from 'node:fs';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ociArchive } from '../../../scripts/oci-archive.ts';
import type { CacheEntry } from '../cache.ts';

/** The version that is built, and that the server says it is. */
const KUBERNETES_VERSION = '1.35.4';
const HELM_VERSION = '3.22.0';

const SOURCE = join(import.meta.dirname, 'src');

/** Names by which the one binary is called. */
const COMMANDS = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'kubectl',
] as const;

export type KubernetesCommand = (typeof COMMANDS)[number] | 'coredns' | 'pause';

const [MAJOR, MINOR] = KUBERNETES_VERSION.split('.');

/** Without these the server says that it is v0.0.0, and no chart's `kubeVersion` fits. */
const KUBERNETES_LDFLAGS = [
  '-s -w',
  ...['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap((path) => [
    `-X ${path}.gitVersion=v${KUBERNETES_VERSION}`,
    `-X ${path}.gitMajor=${MAJOR}`,
    `-X ${path}.gitMinor=${MINOR}`,
    `-X ${path}.gitTreeState=clean`,
    `-X ${path}.buildDate=2026-01-01T00:00:00Z`,
  ]),
].join(' ');

const HELM_LDFLAGS = [
  '-s -w',
  `-X helm.sh/helm/v3/internal/version.version=v${HELM_VERSION}`,
  ...['helm.sh/helm/v3/pkg/chartutil', 'helm.sh/helm/v3/pkg/lint/rules'].flatMap((path) => [
    `-X ${path}.k8sVersionMajor=${MAJOR}`,
    `-X ${path}.k8sVersionMinor=${MINOR}`,
  ]),
].join(' ');

/** etcd, every command of Kubernetes, CoreDNS and a pause program, from the Go module beside this file. */
export const KUBERNETES: CacheEntry = {
  name: 'kubernetes',
  recipe: [
    `${process.platform}-${process.arch} 2`,
    KUBERNETES_LDFLAGS,
    ...globSync(['go.mod', 'go.sum', '*/*.go'], { cwd: SOURCE })
      .sort()
      .map((file) => `${file}\n${readFileSync(join(SOURCE, file), 'utf8')}`),
  ].join('\n'),
};

export const HELM: CacheEntry = {
  name: 'helm',
  recipe: `helm.sh/helm/v3/cmd/helm@v${HELM_VERSION} ${HELM_LDFLAGS} ${process.platform}-${process.arch} 1`,
};

/** Runs a command to its end. */
export type Run = (
  words: readonly string[],
  options: { readonly env: Record<string, string>; readonly cwd?: string },
) => Promise<void>;

/** Images of one program each, that a node has to have. */
export const NODE_IMAGES = { pause: 'registry.local/pause:1', coredns: 'registry.local/coredns:1' } as const;

/** Fills `dir` with `bin/…` and `images/….tar`: minutes of both cores the first time, so at low priority. */
export async function buildKubernetes(dir: string, go: string, run: Run): Promise<void> {
  const bin = join(dir, 'bin');
  await mkdir(bin);
  const build = ['nice', go, 'build', '-tags', 'grpcnotrace', '-ldflags', KUBERNETES_LDFLAGS, '-o', `${bin}/`];
  await run([...build, './k8s', './coredns', './pause'], {
    cwd: SOURCE,
    env: { CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' },
  });
  for (const name of COMMANDS) await symlink('k8s', join(bin, name));
  await mkdir(join(dir, 'images'));
  for (const name of ['pause', 'coredns'] as const) await writeImage(name, dir);
}

async function writeImage(name: keyof typeof NODE_IMAGES, dir: string): Promise<void> {
  const program = { path: name, mode: 0o755, content: await readFile(join(dir, 'bin', name)) };
  const { archive } = ociArchive({
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    name: NODE_IMAGES[name],
    layers: [{ comment: name, entries: [program] }],
    config: {
      user: '0',
      entrypoint: [`/${name}`],
      command: [],
      workdir: '/',
      env: {},
      ports: [],
      volumes: [],
      labels: {},
      stopSignal: 'SIGTERM',
    },
  });
  await writeFile(join(dir, 'images', `${name}.tar`), archive);
}

/** Fills `dir` with `bin/helm`. */
export async function buildHelm(dir: string, go: string, run: Run): Promise<void> {
  await run(['nice', go, 'install', '-ldflags', HELM_LDFLAGS, `helm.sh/helm/v3/cmd/helm@v${HELM_VERSION}`], {
    env: { GOBIN: join(dir, 'bin'), CGO_ENABLED: '0' },
  });
}
