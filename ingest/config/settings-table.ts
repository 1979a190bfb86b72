import type { SettingType } from './schema.ts';

/** What is said of a setting beside its type and its default. */
export interface Setting {
  /** Flag without its dashes, for what is set often. Every setting can be set by YAML and by environment. */
  readonly flag?: string;
  /** One sentence without its full stop. */
  readonly help: string;
  /** What applies where nothing is set, when that is no fixed value. */
  readonly unset?: string;
  /** Never logged, never a flag: other users of the machine can read a command line. */
  readonly secret?: true;
}

/** A flag that is no setting of its own. */
export interface SpecialFlag {
  readonly takesValue: boolean;
  readonly help: string;
}

/** All that one command can be told: what its command line, its environment and its YAML file are read by. */
export interface SettingsTable<K extends string = string, S extends string = string> {
  /** By their keys in the YAML file, in the order of the documentation. */
  readonly settings: { readonly [key in K]: Setting };
  readonly special: { readonly [flag in S]: SpecialFlag };
  /** Every default, by the parts of its key. */
  readonly defaults: object;
  typeOf(key: K): SettingType;
}

/** All keys, in the order of the documentation. */
export function keysOf<K extends string>(table: SettingsTable<K>): readonly K[] {
  return Object.keys(table.settings) as K[];
}

/** `HEADWATER_CHUNK_SIZE` for `--chunk-size`, `HEADWATER_RELAY_MAX_BATCH` for `relay.maxBatch`. */
export function variableOf<K extends string>(table: SettingsTable<K>, key: K): string {
  return `HEADWATER_${(table.settings[key].flag ?? derivedFlag(key)).replaceAll('-', '_').toUpperCase()}`;
}

/** `relay-max-batch` for `relay.maxBatch`: what one would expect its flag to be called. */
export function derivedFlag(key: string): string {
  return key.replaceAll('.', '-').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
