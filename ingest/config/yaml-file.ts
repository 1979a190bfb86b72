import { isAlias, isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml';
import { SETTING_KEYS, type SettingKey } from './flags.ts';
import type { Given } from './given.ts';
import { nearest } from './nearest.ts';

/** A YAML file taken apart; `problems` are sentences that start with `file:line:column`. */
export interface ParsedFile {
  readonly given: readonly Given[];
  readonly problems: readonly string[];
}

const GROUPS: ReadonlySet<string> = new Set(
  SETTING_KEYS.flatMap((key) => key.split('.').map((_, i, parts) => parts.slice(0, i).join('.'))),
);
const KEYS: ReadonlySet<string> = new Set(SETTING_KEYS);

/** Reads grouped settings from YAML. `name` is the file's name as the user wrote it. */
export function parseYaml(name: string, text: string): ParsedFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  const problems = document.errors.map((error) => `${at(error.pos[0])}: ${error.message}`);
  const given: Given[] = [];
  if (problems.length > 0) return { given, problems };

  const visit = (node: Node | null, prefix: string, offset: number): void => {
    const target = isAlias(node) ? (node.resolve(document) ?? null) : node;
    if (target === null || (isScalar(target) && target.value === null)) return; // a group with nothing in it
    if (!isMap(target)) {
      const inside = [...GROUPS, ...KEYS].filter((key) => isDirectlyIn(key, prefix));
      const subject = prefix === '' ? 'the file' : prefix;
      problems.push(`${at(offset)}: ${subject} must be a group of keys: ${inside.map(lastPart).join(', ')}`);
      return;
    }
    for (const { key, value } of target.items) {
      const keyNode = key as Node;
      const part = isScalar(keyNode) ? String(keyNode.value) : '?';
      const full = prefix === '' ? part : `${prefix}.${part}`;
      const keyOffset = keyNode.range?.[0] ?? offset;
      const valueNode = value as Node | null;
      const valueOffset = valueNode?.range?.[0] ?? keyOffset;
      if (KEYS.has(full)) {
        const plain = valueNode === null ? null : valueNode.toJS(document);
        given.push({ key: full as SettingKey, value: plain, where: `${at(valueOffset)}: ${full}` });
      } else if (full !== '' && GROUPS.has(full)) {
        visit(valueNode, full, valueOffset);
      } else {
        problems.push(`${at(keyOffset)}: unknown key ${full}; the nearest is ${nearestKey(full)}`);
      }
    }
  };
  visit(document.contents, '', 0);
  return { given, problems };
}

/** Prefers a key of the same group; a right name in the wrong group is found too. */
function nearestKey(full: string): string {
  const known = [...GROUPS, ...KEYS].filter((key) => key !== '');
  const sameName = known.find((key) => lastPart(key) === lastPart(full));
  if (sameName !== undefined) return sameName;
  const group = full.split('.').slice(0, -1).join('.');
  const siblings = known.filter((key) => isDirectlyIn(key, group));
  return nearest(full, siblings.length > 0 ? siblings : known);
}

function isDirectlyIn(key: string, group: string): boolean {
  return key !== '' && key.split('.').slice(0, -1).join('.') === group;
}

function lastPart(key: string): string {
  return key.slice(key.lastIndexOf('.') + 1);
}
