import { isAlias, isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml';
import { SERVE_SETTINGS, type SettingKey } from './flags.ts';
import type { Given } from './given.ts';
import { nearest } from './nearest.ts';
import { keysOf, type SettingsTable } from './settings-table.ts';

/** A YAML file taken apart; `problems` are sentences that start with `file:line:column`. */
export interface ParsedFile<K extends string = SettingKey> {
  readonly given: readonly Given<K>[];
  readonly problems: readonly string[];
}

/** Reads the grouped settings of `headwater serve`. `name` is the file's name as the user wrote it. */
export function parseYaml(name: string, text: string): ParsedFile {
  return parseSettingsFile(SERVE_SETTINGS, name, text);
}

/** Reads grouped settings from YAML. */
export function parseSettingsFile<K extends string>(
  table: SettingsTable<K>,
  name: string,
  text: string,
): ParsedFile<K> {
  const keys: ReadonlySet<string> = new Set(keysOf(table));
  const groups: ReadonlySet<string> = new Set(
    [...keys].flatMap((key) => key.split('.').map((_, i, parts) => parts.slice(0, i).join('.'))),
  );
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  const problems = document.errors.map((error) => `${at(error.pos[0])}: ${error.message}`);
  const given: Given<K>[] = [];
  if (problems.length > 0) return { given, problems };

  const visit = (node: Node | null, prefix: string, offset: number): void => {
    const target = isAlias(node) ? (node.resolve(document) ?? null) : node;
    if (target === null || (isScalar(target) && target.value === null)) return; // a group with nothing in it
    if (!isMap(target)) {
      const inside = [...groups, ...keys].filter((key) => isDirectlyIn(key, prefix));
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
      if (keys.has(full)) {
        const plain = valueNode === null ? null : valueNode.toJS(document);
        given.push({ key: full as K, value: plain, where: `${at(valueOffset)}: ${full}` });
      } else if (full !== '' && groups.has(full)) {
        visit(valueNode, full, valueOffset);
      } else {
        problems.push(
          `${at(keyOffset)}: unknown key ${full}; the nearest is ${nearestKey(full, [...groups, ...keys])}`,
        );
      }
    }
  };
  visit(document.contents, '', 0);
  return { given, problems };
}

/** Prefers a key of the same group; a right name in the wrong group is found too. */
function nearestKey(full: string, all: readonly string[]): string {
  const known = all.filter((key) => key !== '');
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
