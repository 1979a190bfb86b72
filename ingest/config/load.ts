import path from 'node:path';
import { Fault } from '../runtime/fault.ts';
import { parseArguments } from './argv.ts';
import { findConflicts } from './conflicts.ts';
import { SERVE_SETTINGS, type SettingKey } from './flags.ts';
import type { Given } from './given.ts';
import { CONFIG_SCHEMA, type Config, type Settings } from './schema.ts';
import { givenByEnvironment, nonEmpty, readConfigFile, readSettings } from './settings.ts';
import { absoluteStoreUrl, parseStoreUrl } from './store-url.ts';
import { parseYaml } from './yaml-file.ts';

export interface ConfigSources {
  /** Arguments of the command, without `node`, the program and the command's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Relative paths count from here, wherever they were written. */
  readonly cwd: string;
  /** Standard output is a terminal. */
  readonly isTerminal: boolean;
}

/**
 * The settings that apply: flags before environment before file before defaults.
 * @throws Fault `ERR_CONFIG_INVALID` with every problem found, one a line; `ERR_CONFIG_FILE` where the file cannot be read
 */
export async function loadConfig(sources: ConfigSources): Promise<Config> {
  const { argv, env, cwd } = sources;
  const parsed = parseArguments(argv);
  const problems = [...parsed.problems];
  for (const word of parsed.words) problems.push(`unexpected argument ${JSON.stringify(word)}: flags start with --`);

  const fileName = parsed.special.get('config') ?? nonEmpty(env.HEADWATER_CONFIG);
  const file =
    fileName === undefined ? undefined : parseYaml(fileName, await readConfigFile(path.resolve(cwd, fileName)));
  problems.push(...(file?.problems ?? []));
  const fromFlags = withRecordDir(parsed.given, parsed.special.get('record-dir'), '--store', '--record-dir', problems);
  const fromEnv = withRecordDir(
    givenByEnvironment(SERVE_SETTINGS, env),
    nonEmpty(env.HEADWATER_RECORD_DIR),
    'HEADWATER_STORE',
    'HEADWATER_RECORD_DIR',
    problems,
  );

  const effective = new Map<SettingKey, Given>();
  for (const given of [...(file?.given ?? []), ...fromEnv, ...fromFlags]) effective.set(given.key, given);
  const settings = readSettings(SERVE_SETTINGS, CONFIG_SCHEMA, effective, problems);
  if (settings !== undefined) problems.push(...findConflicts(settings, (key) => effective.has(key)));
  if (settings === undefined || problems.length > 0) throw new Fault('ERR_CONFIG_INVALID', problems.join('\n'));
  return resolve(settings, effective, sources);
}

/** `--record-dir DIR` is `--store file://DIR`; beside `--store` from the same place it is a contradiction. */
function withRecordDir(
  given: readonly Given[],
  dir: string | undefined,
  storeName: string,
  dirName: string,
  problems: string[],
): readonly Given[] {
  if (dir === undefined) return given;
  if (given.some((one) => one.key === 'store.url')) {
    problems.push(
      `${dirName} and ${storeName} both say where recordings go: ${dirName} DIR is short for ${storeName} file://DIR, so remove one of them`,
    );
  }
  return [...given, { key: 'store.url', value: `file://${dir}`, where: dirName }];
}

function resolve(
  settings: Settings,
  effective: ReadonlyMap<SettingKey, Given>,
  { cwd, isTerminal }: ConfigSources,
): Config {
  const { rtmps, srt, http, streams, cluster, store, spool, record, log } = settings;
  const location = parseStoreUrl(store.url);
  const standsAlone = record.format === 'flv' || record.segmentPattern !== null || record.layout === 'flat';
  const timeline = standsAlone ? 'file' : 'recording';
  return {
    ...settings,
    rtmps: { ...rtmps, cert: absolute(cwd, rtmps.cert), key: absolute(cwd, rtmps.key) },
    srt: { ...srt, passphraseFile: absolute(cwd, srt.passphraseFile) },
    http: { ...http, apiTokenFile: absolute(cwd, http.apiTokenFile) },
    streams: { dir: absolute(cwd, streams.dir) },
    cluster: { ...cluster, kubeconfig: absolute(cwd, cluster.kubeconfig) },
    store: {
      url: absoluteStoreUrl(store.url, cwd),
      s3: { ...store.s3, credentialsFile: absolute(cwd, store.s3.credentialsFile) },
    },
    spool: {
      ...spool,
      dir: path.resolve(cwd, spool.dir ?? (location.kind === 'file' ? path.join(location.dir, '.spool') : 'spool')),
    },
    record: { ...record, segmentTimeline: effective.has('record.segmentTimeline') ? record.segmentTimeline : timeline },
    log: { ...log, format: log.format ?? (isTerminal ? 'pretty' : 'json') },
  };
}

function absolute(cwd: string, file: string | null): string | null {
  return file === null ? null : path.resolve(cwd, file);
}
