import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { Fault } from '../runtime/fault.ts';
import type { Given } from './given.ts';
import { keysOf, type SettingsTable, variableOf } from './settings-table.ts';

/** @throws Fault `ERR_CONFIG_FILE` with what to check */
export async function readConfigFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const reason =
      (error as NodeJS.ErrnoException).code === 'ENOENT'
        ? 'does not exist'
        : `cannot be read (${(error as Error).message})`;
    throw new Fault('ERR_CONFIG_FILE', `the configuration file ${file} ${reason}: check --config`, { cause: error });
  }
}

/** What the environment sets. */
export function givenByEnvironment<K extends string>(
  table: SettingsTable<K>,
  env: Readonly<Record<string, string | undefined>>,
): Given<K>[] {
  return keysOf(table).flatMap((key) => {
    const where = variableOf(table, key);
    const value = env[where];
    return value === undefined ? [] : [{ key, value, where }];
  });
}

/** Checks what was given and fills in the defaults; undefined where something is wrong, which is then among `problems`. */
export function readSettings<K extends string, T>(
  table: SettingsTable<K>,
  schema: z.ZodType<T>,
  effective: ReadonlyMap<K, Given<K>>,
  problems: string[],
): T | undefined {
  const raw: Record<string, unknown> = {};
  for (const key of keysOf(table)) {
    const parts = key.split('.');
    const last = parts.pop()!;
    let group = raw;
    for (const part of parts) {
      group[part] ??= {};
      group = group[part] as Record<string, unknown>;
    }
    const given = effective.get(key);
    if (given !== undefined) group[last] = given.value;
  }
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  for (const issue of result.error.issues) {
    const given = effective.get(issue.path.join('.') as K);
    problems.push(given === undefined ? issue.message : `${given.where} ${shown(table, given)}${issue.message}`);
  }
  return undefined;
}

/** The value a message is about; not where it is a secret or has no short form. What is structured says itself which part it means. */
function shown<K extends string>(table: SettingsTable<K>, { key, value }: Given<K>): string {
  const isStructured = ['list', 'map'].includes(table.typeOf(key).name);
  const isHidden = table.settings[key].secret === true || typeof value === 'object' || isStructured;
  return isHidden ? '' : `${JSON.stringify(String(value))} `;
}

/** A variable that is set to nothing is not set. */
export function nonEmpty(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}
