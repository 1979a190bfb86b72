import { GROUP, VERSION } from '../../crds/names.ts';
import type { KubeClient } from '../../kube/client.ts';
import { pathOf, type Resource } from '../../kube/resource.ts';
import type { StoredStream } from '../compile/manifest.ts';
import type { OperatorConfig } from '../config/settings.ts';

const ours = (kind: string, plural: string): Resource => ({
  group: GROUP,
  version: VERSION,
  kind,
  plural,
  namespaced: true,
});

export const LIVE_STREAMS = ours('LiveStream', 'livestreams');
export const RECORDING_POLICIES = ours('RecordingPolicy', 'recordingpolicies');

/** Selects the LiveStreams of a pool. */
export const ofPool = (pool: string): string => `spec.pool=${pool}`;

const PAGE_SIZE = 500;

interface Page {
  readonly metadata: { readonly continue?: string };
  readonly items: readonly StoredStream[];
}

/** All LiveStreams of the pool, once. @throws KubeError */
export async function listStreams(client: KubeClient, config: OperatorConfig): Promise<StoredStream[]> {
  const scopes = config.watchNamespaces.length === 0 ? [undefined] : config.watchNamespaces;
  const streams: StoredStream[] = [];
  for (const namespace of scopes) {
    let token: string | undefined;
    do {
      const query = { fieldSelector: ofPool(config.pool.name), limit: PAGE_SIZE, continue: token };
      const page = await client.request<Page>({ path: pathOf(LIVE_STREAMS, { namespace }), query });
      streams.push(...page.items);
      token = page.metadata.continue || undefined;
    } while (token !== undefined);
  }
  return streams;
}
