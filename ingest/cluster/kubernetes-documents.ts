import {
  ANNOTATIONS,
  CONFIG_KEY,
  LABELS,
  RELAY_KEY_KEY,
  RELAY_KEY_SECRET,
  SECRET_TYPES,
  TOMBSTONE_KEY,
} from '../../crds/names.ts';
import { STREAM_CONFIG, type StreamConfig } from '../../crds/stream-config.ts';
import { TOMBSTONE, type Tombstone } from '../../crds/tombstone.ts';
import type { KubeObject } from '../../kube/kube-object.ts';

/** A Secret as the API server gives it. */
export interface Secret extends KubeObject {
  readonly type?: string;
  /** Base64. */
  readonly data?: Readonly<Record<string, string>>;
}

/** What a Secret of the runtime namespace says. */
export type RuntimeDocument =
  | { readonly kind: 'stream'; readonly config: StreamConfig }
  /** A configuration that this version can't read. */
  | { readonly kind: 'unreadable'; readonly uid: string; readonly path: string; readonly problem: string }
  | { readonly kind: 'tombstone'; readonly tombstone: Tombstone }
  | { readonly kind: 'relay-key'; readonly key: string };

/** Reads a Secret; undefined where it is none of ours. Nothing of its values is in a problem. */
export function readRuntimeSecret(secret: Secret): RuntimeDocument | undefined {
  const { labels = {}, annotations = {}, name } = secret.metadata;
  const value = (key: string): string => Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');
  if (name === RELAY_KEY_SECRET) return { kind: 'relay-key', key: value(RELAY_KEY_KEY) };
  if (secret.type === SECRET_TYPES.streamConfig) {
    const read = parse(STREAM_CONFIG, value(CONFIG_KEY));
    if (read.value !== undefined) return { kind: 'stream', config: read.value };
    const [uid = '', path = ''] = [labels[LABELS.uid], annotations[ANNOTATIONS.stream]];
    return { kind: 'unreadable', uid, path, problem: `Secret ${name}: ${read.problem}` };
  }
  if (secret.type !== SECRET_TYPES.tombstone) return undefined;
  const { value: tombstone } = parse(TOMBSTONE, value(TOMBSTONE_KEY));
  return tombstone && { kind: 'tombstone', tombstone };
}

interface Schema<T> {
  safeParse(value: unknown):
    | { readonly success: true; readonly data: T }
    | {
        readonly success: false;
        readonly error: { readonly issues: readonly { readonly path: readonly PropertyKey[] }[] };
      };
}

function parse<T>(schema: Schema<T>, text: string): { readonly value?: T; readonly problem: string } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { problem: 'it is no JSON' };
  }
  const result = schema.safeParse(json);
  if (result.success) return { value: result.data, problem: '' };
  const fields = result.error.issues.map(({ path }) => path.map(String).join('.'));
  return { problem: `this version cannot read ${fields.slice(0, 5).join(', ')}` };
}
