import { DEFAULTS } from './defaults.ts';
import type { SettingKey } from './flags.ts';
import { SETTING_KEYS, SETTINGS, SPECIAL_FLAGS } from './flags.ts';
import { settingType } from './schema.ts';
import { formatDuration, formatSize } from './units.ts';

const COLUMN = 30;
const WIDTH = 100;

/** What `headwater serve --help` prints. */
export function serveHelp(): string {
  const settings = SETTING_KEYS.filter((key) => SETTINGS[key].flag !== undefined).map((key) =>
    entry(`--${SETTINGS[key].flag}${placeholder(key)}`, `${SETTINGS[key].help}${choicesOf(key)}${defaultOf(key)}`),
  );
  const special = Object.entries(SPECIAL_FLAGS).map(([flag, { takesValue, help }]) =>
    entry(`--${flag}${takesValue ? ' VALUE' : ''}`, help),
  );
  return `headwater serve [flags]

Takes live video over RTMP and SRT, relays it to viewers and records it.

${[...settings, ...special].join('')}
One dash or two; booleans as --x, --x=false, --x false, --no-x. Every flag is also a variable of the environment
(--chunk-size: HEADWATER_CHUNK_SIZE) and a key in the YAML file; docs/config.md lists these and all other settings.
`;
}

/** A setting's default as a person would write it; the sentence about it where it is no fixed value; empty where there is none. */
export function defaultText(key: SettingKey): { readonly text: string; readonly isLiteral: boolean } {
  const { unset } = SETTINGS[key];
  if (unset !== undefined) return { text: unset, isLiteral: false };
  let value: unknown = DEFAULTS;
  for (const part of key.split('.')) value = (value as Record<string, unknown>)[part];
  if (value === null) return { text: '', isLiteral: false };
  const { name } = settingType(key);
  const show = name === 'duration' ? formatDuration : name === 'size' ? formatSize : undefined;
  return { text: show === undefined ? String(value) : show(value as number), isLiteral: true };
}

function placeholder(key: SettingKey): string {
  const { name } = settingType(key);
  return name === 'boolean' ? '' : ` ${name.toUpperCase()}`;
}

function choicesOf(key: SettingKey): string {
  const { choices } = settingType(key);
  return choices === undefined ? '' : `: ${choices.join(', ')}`;
}

function defaultOf(key: SettingKey): string {
  const { text } = defaultText(key);
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
