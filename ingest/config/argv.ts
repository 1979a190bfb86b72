import { SERVE_SETTINGS, type SettingKey, type SpecialFlag } from './flags.ts';
import type { Given } from './given.ts';
import { nearest } from './nearest.ts';
import { derivedFlag, keysOf, type SettingsTable, variableOf } from './settings-table.ts';

/** A command line taken apart. */
export interface ParsedArguments<K extends string = SettingKey, S extends string = SpecialFlag> {
  readonly given: readonly Given<K>[];
  readonly special: ReadonlyMap<S, string>;
  /** Words that belong to no flag. */
  readonly words: readonly string[];
  /** Sentences about what could not be understood. */
  readonly problems: readonly string[];
}

const BOOLEAN_WORD = /^(?:true|false|1|0)$/;

/** Reads the arguments of `headwater serve`. */
export function parseArguments(argv: readonly string[]): ParsedArguments {
  return parseCommandLine(SERVE_SETTINGS, argv);
}

/**
 * Takes flags with one dash or two; `--x value` or `--x=value`; booleans also as `--x`, `--x false` and `--no-x`; `--` ends them.
 * Of a flag given twice the last counts.
 */
export function parseCommandLine<K extends string, S extends string>(
  table: SettingsTable<K, S>,
  argv: readonly string[],
): ParsedArguments<K, S> {
  const keys = new Map(
    keysOf(table).flatMap((key) => {
      const { flag } = table.settings[key];
      return flag === undefined ? [] : [[flag, key] as const];
    }),
  );
  const isSpecial = (flag: string): flag is S => Object.hasOwn(table.special, flag);
  const isBooleanFlag = (flag: string): boolean => {
    const key = keys.get(flag);
    return key !== undefined && table.typeOf(key).name === 'boolean';
  };
  const given: Given<K>[] = [];
  const special = new Map<S, string>();
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
    const key = keys.get(negated ? flag.slice(3) : flag);
    const where = `--${flag}`;
    const takesValue = isSpecial(flag) ? table.special[flag].takesValue : !isBooleanFlag(flag);
    if (key === undefined && !isSpecial(flag)) {
      problems.push(unknownFlag(table, flag));
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

function unknownFlag<K extends string>(table: SettingsTable<K>, flag: string): string {
  const settable = keysOf(table).find((key) => derivedFlag(key) === flag);
  if (settable !== undefined) {
    return `--${flag} is no flag: set ${settable} in the YAML file (--config), or ${variableOf(table, settable)} in the environment`;
  }
  const flags = keysOf(table).flatMap((key) => table.settings[key].flag ?? []);
  return `unknown flag --${flag}; the nearest is --${nearest(flag, [...flags, ...Object.keys(table.special)])}`;
}
