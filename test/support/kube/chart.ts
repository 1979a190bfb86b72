import path from 'node:path';
import { parseAllDocuments } from 'yaml';
import { tool } from '../../setup/tools.ts';
import { output } from '../process.ts';

export const CHART = path.join(import.meta.dirname, '..', '..', '..', 'charts', 'headwater');

/** A rendered manifest, as far as tests look. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  // biome-ignore lint/suspicious/noExplicitAny: of any kind
  readonly [key: string]: any;
}

export interface Rendering {
  readonly release?: string;
  readonly namespace?: string;
  readonly kubeVersion?: string;
  /** As `--set`: `minio.enabled=true`. */
  readonly set?: readonly string[];
  readonly chart?: string;
}

/** `helm template`, as objects. @throws Error with what Helm said */
export async function renderChart({
  release = 'hw',
  namespace = 'video',
  kubeVersion = '1.35.4',
  set = [],
  chart = CHART,
}: Rendering = {}): Promise<Manifest[]> {
  const flags = set.flatMap((one) => ['--set', one]);
  const text = await output(tool('helm'), [
    'template',
    release,
    chart,
    '-n',
    namespace,
    '--kube-version',
    kubeVersion,
    ...flags,
  ]);
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}

/** The one manifest of that kind and name. */
export function manifestOf(manifests: readonly Manifest[], kind: string, name: string, namespace?: string): Manifest {
  const found = manifests.filter(
    ({ kind: k, metadata }) =>
      k === kind && metadata.name === name && (namespace === undefined || metadata.namespace === namespace),
  );
  if (found.length !== 1) throw new Error(`${found.length} of ${kind}/${name} were rendered`);
  return found[0]!;
}
