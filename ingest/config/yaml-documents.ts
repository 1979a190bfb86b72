import { isNode, LineCounter, parseAllDocuments } from 'yaml';

/** One document of a YAML file. */
export interface YamlDocument {
  readonly value: unknown;
  /** `file:line:column` of what the path leads to, or of the nearest thing around it that is there. */
  at(path: readonly PropertyKey[]): string;
}

/** What a file holds; `problems` are sentences that start with `file:line:column`. */
export interface YamlDocuments {
  readonly documents: readonly YamlDocument[];
  readonly problems: readonly string[];
}

/** Uses of anchors: more of them is how a small file becomes a huge object. */
const MAX_ALIASES = 100;

/** Reads the documents of a YAML (or JSON) file, empty ones left out. */
export function parseYamlDocuments(name: string, text: string): YamlDocuments {
  const lines = new LineCounter();
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  const documents: YamlDocument[] = [];
  const problems: string[] = [];
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  if (!Array.isArray(parsed)) return { documents, problems };
  for (const document of parsed) {
    problems.push(...document.errors.map((error) => `${at(error.pos[0])}: ${error.message}`));
    const value: unknown = document.errors.length > 0 ? null : document.toJS({ maxAliasCount: MAX_ALIASES });
    if (value === null) continue;
    documents.push({
      value,
      at: (path) => {
        for (let length = path.length; ; length -= 1) {
          const node: unknown = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
          if (isNode(node) && node.range) return at(node.range[0]);
          if (length === 0) return at(0);
        }
      },
    });
  }
  return { documents, problems };
}
