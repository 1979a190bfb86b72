import { LIVE_STREAM, type LiveStream } from '../../crds/live-stream.ts';
import { GROUP } from '../../crds/names.ts';
import { RECORDING_POLICY, type RecordingPolicy } from '../../crds/recording-policy.ts';
import { parseYamlDocuments, type YamlDocument } from '../config/yaml-documents.ts';

/** A Secret as far as it matters here: its values, decoded. */
export interface LocalSecret {
  readonly kind: 'Secret';
  readonly metadata: { readonly namespace: string; readonly name: string };
  readonly data: Readonly<Record<string, string>>;
}

/** An object that was read, and where it stands. */
export interface LocalObject {
  /** `LiveStream team-a/cam-1`. */
  readonly name: string;
  readonly object: LiveStream | RecordingPolicy | LocalSecret;
  /** `file:line:column`. */
  readonly where: string;
}

/** Something wrong with a file, as a sentence that starts with its place. */
export interface LocalProblem {
  readonly message: string;
  /** The object that could not be read; undefined where not even that is known. */
  readonly name?: string;
}

/** What a file holds. Objects of other kinds are left alone: the same folder may be meant for `kubectl apply` too. */
export interface LocalFile {
  readonly objects: readonly LocalObject[];
  readonly problems: readonly LocalProblem[];
}

interface Meta {
  readonly apiVersion?: unknown;
  readonly kind?: unknown;
  readonly metadata?: { readonly name?: unknown; readonly namespace?: unknown };
}

const DEFAULT_NAMESPACE = 'default';

/** Reads the objects of a YAML or JSON file. `file` is its name as messages show it. */
export function readLocalFile(file: string, text: string): LocalFile {
  const { documents, problems } = parseYamlDocuments(file, text);
  const objects: LocalObject[] = [];
  const all: LocalProblem[] = problems.map((message) => ({ message }));
  for (const document of documents) {
    const read = readObject(document);
    if (read === undefined) continue;
    if ('object' in read) objects.push(read);
    else all.push(...read.problems);
  }
  return { objects, problems: all };
}

function readObject(document: YamlDocument): LocalObject | { readonly problems: readonly LocalProblem[] } | undefined {
  const value = document.value as Meta;
  const { apiVersion, kind, metadata } = value;
  const isOurs = typeof apiVersion === 'string' && apiVersion.startsWith(`${GROUP}/`);
  if (!isOurs && !(apiVersion === 'v1' && kind === 'Secret')) return undefined;
  const name = `${String(kind)} ${String(metadata?.namespace ?? DEFAULT_NAMESPACE)}/${String(metadata?.name)}`;
  if (kind === 'Secret') return readSecret(document, name);
  const schema = kind === 'LiveStream' ? LIVE_STREAM : kind === 'RecordingPolicy' ? RECORDING_POLICY : undefined;
  if (schema === undefined) {
    const message = `${document.at(['kind'])}: there is no kind ${String(kind)}: write LiveStream or RecordingPolicy`;
    return { problems: [{ message, name }] };
  }
  const { status: _, ...written } = value as Meta & { readonly status?: unknown };
  const result = schema.safeParse(written);
  if (result.success) return { name, object: result.data as LiveStream | RecordingPolicy, where: document.at([]) };
  const problems = result.error.issues.map((issue) => ({ message: sentence(document, issue), name }));
  return { problems };
}

interface Issue {
  readonly code?: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
}

/** Our own rules begin with what is wrong with the field, zod's with a word of their own. */
function sentence(document: YamlDocument, { code, path, message, keys }: Issue): string {
  const field = path.map(String).join('.');
  if (code === 'unrecognized_keys' && keys !== undefined) {
    const unknown = keys.map((key) => [...path, key].map(String).join('.'));
    return `${document.at([...path, keys[0]!])}: there is no field ${unknown.join(', ')}`;
  }
  return `${document.at(path)}: ${field === '' || message.startsWith(field) ? '' : `${field}${code === 'custom' ? ' ' : ': '}`}${message}`;
}

function readSecret(
  document: YamlDocument,
  name: string,
): LocalObject | { readonly problems: readonly LocalProblem[] } | undefined {
  const value = document.value as Meta & {
    readonly data?: Readonly<Record<string, unknown>>;
    readonly stringData?: Readonly<Record<string, unknown>>;
  };
  const data: Record<string, string> = {};
  const problems: LocalProblem[] = [];
  const take = (group: 'data' | 'stringData', decode: (text: string) => string) => {
    for (const [key, text] of Object.entries(value[group] ?? {})) {
      if (typeof text === 'string') data[key] = decode(text);
      // The value is not shown: it is a secret.
      else
        problems.push({
          message: `${document.at([group, key])}: ${group}.${key} must be text: put it in quotes`,
          name,
        });
    }
  };
  take('data', (text) => Buffer.from(text, 'base64').toString('utf8'));
  take('stringData', String);
  const metadata = {
    name: String(value.metadata?.name),
    namespace: String(value.metadata?.namespace ?? DEFAULT_NAMESPACE),
  };
  return problems.length > 0
    ? { problems }
    : { name, object: { kind: 'Secret', metadata, data }, where: document.at([]) };
}
