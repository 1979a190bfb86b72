import {
  derivedFlag,
  environmentName,
  SETTING_KEYS,
  SETTINGS,
  type SettingKey,
  SPECIAL_FLAGS,
  type SpecialFlag,
} from './flags.ts';
import type { Given } from './given.ts';
import { nearest } from './nearest.ts';
import { settingType } from './schema.ts';

/** A command line taken apart. */
export interface ParsedArguments {
  readonly given: readonly Given[];
  readonly special: ReadonlyMap<SpecialFlag, string>;
  /** Words that belong to no flag. */
  readonly words: readonly string[];
  /** Sentences about what could not be understood. */
  readonly problems: readonly string[];
}

const KEY_OF_FLAG: ReadonlyMap<string, SettingKey> = new Map(
  SETTING_KEYS.flatMap((key) => (SETTINGS[key].flag === undefined ? [] : [[SETTINGS[key].flag, key] as const])),
);

const BOOLEAN_WORD = /^(?:true|false|1|0)$/;

/**
 * Takes flags with one dash or two; `--x value` or `--x=value`; booleans also as `--x`, `--x false` and `--no-x`; `--` ends them.
 * Of a flag given twice the last counts.
 */
export function parseArguments(argv: readonly string[]): ParsedArguments {
  const given: Given[] = [];
  const special = new Map<SpecialFlag, string>();
  const words: string[] = [];
  const problems: string[] = [];
  for (let i = 0; i < argv.length; i += 1) {
    const word = argv[i]!;
    if (word === '--') {
      words.push(...argv.slice(i + 1));
      break;
    }
    const [, name, inline] = /^--?([A-Za-z][^=]*)(?:=(.*))?$/s.exec(word) ?? [];
    if (name === undefined) {
      words.push(word);
      continue;
    }
    const flag = name === 'h' ? 'help' : name;
    const negated = flag.startsWith('no-') && isBooleanFlag(flag.slice(3));
    const key = KEY_OF_FLAG.get(negated ? flag.slice(3) : flag);
    const where = `--${flag}`;
    const takesValue = isSpecial(flag) ? SPECIAL_FLAGS[flag].takesValue : !isBooleanFlag(flag);
    if (key === undefined && !isSpecial(flag)) {
      problems.push(unknownFlag(flag));
      // The word after it is most likely its value, not a word of its own.
      if (inline === undefined && argv[i + 1] !== undefined && !/^-/.test(argv[i + 1]!)) i += 1;
      continue;
    }
    let value = inline;
    if (negated) {
      if (inline !== undefined) problems.push(`${where} takes no value`);
      value = 'false';
    } else if (value === undefined && takesValue) {
      const next = argv[i + 1];
      if (next === undefined || /^--?[A-Za-z]/.test(next)) {
        problems.push(`${where} needs a value: write ${where} VALUE or ${where}=VALUE`);
        continue;
      }
      value = next;
      i += 1;
    } else if (value === undefined && key !== undefined && BOOLEAN_WORD.test(argv[i + 1] ?? '')) {
      value = argv[i + 1]!;
      i += 1;
    }
    if (key !== undefined) given.push({ key, value: value ?? 'true', where });
    else if (isSpecial(flag)) special.set(flag, value ?? 'true');
  }
  return { given, special, words, problems };
}

function isSpecial(flag: string): flag is SpecialFlag {
  return Object.hasOwn(SPECIAL_FLAGS, flag);
}

function isBooleanFlag(flag: string): boolean {
  const key = KEY_OF_FLAG.get(flag);
  return key !== undefined && settingType(key).name === 'boolean';
}

function unknownFlag(flag: string): string {
  const settable = SETTING_KEYS.find((key) => derivedFlag(key) === flag);
  if (settable !== undefined) {
    return `--${flag} is no flag: set ${settable} in the YAML file (--config), or ${environmentName(settable)} in the environment`;
  }
  return `unknown flag --${flag}; the nearest is --${nearest(flag, [...KEY_OF_FLAG.keys(), ...Object.keys(SPECIAL_FLAGS)])}`;
}
