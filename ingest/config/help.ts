import { SERVE_SETTINGS } from './flags.ts';
import { keysOf, type SettingsTable, variableOf } from './settings-table.ts';
import { formatDuration, formatSize } from './units.ts';

const COLUMN = 30;
const WIDTH = 100;

/** What `headwater serve --help` prints. */
export function serveHelp(): string {
  return commandHelp(
    SERVE_SETTINGS,
    'serve',
    'Takes live video over RTMP and SRT, relays it to viewers and records it.',
    'docs/config.md',
  );
}

/** What `headwater COMMAND --help` prints; `page` lists what has no flag. */
export function commandHelp(table: SettingsTable, command: string, purpose: string, page: string): string {
  const settings = keysOf(table)
    .filter((key) => table.settings[key]!.flag !== undefined)
    .map((key) => {
      const { flag, help } = table.settings[key]!;
      return entry(`--${flag}${placeholder(table, key)}`, `${help}${choicesOf(table, key)}${defaultOf(table, key)}`);
    });
  const special = Object.entries(table.special).map(([flag, { takesValue, help }]) =>
    entry(`--${flag}${takesValue ? ' VALUE' : ''}`, help),
  );
  const exampleKey = keysOf(table).find((key) => table.settings[key]!.flag?.includes('-'))!;
  const example = table.settings[exampleKey]!.flag;
  return `headwater ${command} [flags]

${purpose}

${[...settings, ...special].join('')}
One dash or two; booleans as --x, --x=false, --x false, --no-x. Every flag is also a variable of the environment
(--${example}: ${variableOf(table, exampleKey)}) and a key in the YAML file; ${page} lists these and all other settings.
`;
}

/** A setting's default as a person would write it; the sentence about it where it is no fixed value; empty where there is none. */
export function defaultIn<K extends string>(
  table: SettingsTable<K>,
  key: K,
): { readonly text: string; readonly isLiteral: boolean } {
  const { unset } = table.settings[key];
  if (unset !== undefined) return { text: unset, isLiteral: false };
  let value: unknown = table.defaults;
  for (const part of key.split('.')) value = (value as Record<string, unknown>)[part];
  if (value === null) return { text: '', isLiteral: false };
  const { name } = table.typeOf(key);
  const show = name === 'duration' ? formatDuration : name === 'size' ? formatSize : undefined;
  return { text: show === undefined ? String(value) : show(value as number), isLiteral: true };
}

function placeholder(table: SettingsTable, key: string): string {
  const { name } = table.typeOf(key);
  return name === 'boolean' ? '' : ` ${name.toUpperCase()}`;
}

function choicesOf(table: SettingsTable, key: string): string {
  const { choices } = table.typeOf(key);
  return choices === undefined ? '' : `: ${choices.join(', ')}`;
}

function defaultOf(table: SettingsTable, key: string): string {
  const { text } = defaultIn(table, key);
  return text === '' ? '' : ` (default: ${text.replaceAll('`', '')})`;
}

/** A flag and its text, wrapped beside it. */
function entry(flag: string, text: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > WIDTH - COLUMN) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  const head = `  ${flag}`;
  const indent = ' '.repeat(COLUMN);
  const first = head.length < COLUMN ? `${head.padEnd(COLUMN)}${lines.shift()}\n` : `${head}\n`;
  return first + lines.map((rest) => `${indent}${rest}\n`).join('');
}
