import { hostname } from 'node:os';
import path from 'node:path';
import { type ParsedArguments, parseCommandLine } from '../../ingest/config/argv.ts';
import type { Given } from '../../ingest/config/given.ts';
import { commandHelp } from '../../ingest/config/help.ts';
import type { ConfigSources } from '../../ingest/config/load.ts';
import { givenByEnvironment, nonEmpty, readConfigFile, readSettings } from '../../ingest/config/settings.ts';
import { parseSettingsFile } from '../../ingest/config/yaml-file.ts';
import { Fault } from '../../ingest/runtime/fault.ts';
import {
  OPERATOR_SCHEMA,
  OPERATOR_SETTINGS,
  type OperatorConfig,
  type OperatorFlag,
  type WrittenSettings,
} from './settings.ts';

type OperatorKey = keyof typeof OPERATOR_SETTINGS.settings;

/** The arguments of `headwater operator`. */
export function parseOperatorArguments(argv: readonly string[]): ParsedArguments<OperatorKey, OperatorFlag> {
  return parseCommandLine(OPERATOR_SETTINGS, argv);
}

/** What `headwater operator --help` prints. */
export function operatorHelp(): string {
  const purpose = 'Runs a pool of ingest pods on Kubernetes from LiveStream resources. The chart starts it.';
  return commandHelp(OPERATOR_SETTINGS, 'operator', purpose, 'docs/operator-config.md');
}

/**
 * The settings that apply: flags before environment before file before defaults. `ownNamespace` gives that of this pod, or of the
 * kubeconfig that it is called with.
 * @throws Fault `ERR_CONFIG_INVALID` with every problem found, one a line; `ERR_CONFIG_FILE` where the file cannot be read
 */
export async function loadOperatorConfig(
  { argv, env, cwd, isTerminal }: ConfigSources,
  ownNamespace: (kubeconfig: string | undefined) => Promise<string | undefined>,
): Promise<OperatorConfig> {
  const parsed = parseOperatorArguments(argv);
  const problems = [...parsed.problems];
  for (const word of parsed.words) problems.push(`unexpected argument ${JSON.stringify(word)}: flags start with --`);
  const fileName = parsed.special.get('config') ?? nonEmpty(env.HEADWATER_CONFIG);
  const file =
    fileName === undefined
      ? undefined
      : parseSettingsFile(OPERATOR_SETTINGS, fileName, await readConfigFile(path.resolve(cwd, fileName)));
  problems.push(...(file?.problems ?? []));
  const effective = new Map<OperatorKey, Given<OperatorKey>>();
  for (const given of [...(file?.given ?? []), ...givenByEnvironment(OPERATOR_SETTINGS, env), ...parsed.given]) {
    effective.set(given.key, given);
  }
  const written = readSettings(OPERATOR_SETTINGS, OPERATOR_SCHEMA, effective, problems);
  const labels = readLabels(written?.ingest.podLabels ?? null, problems);
  const range = written?.pool.srt.dedicatedPorts;
  if (range && range.from > range.to) problems.push('pool.srt.dedicatedPorts: from is above to: make it smaller');
  if (written === undefined || problems.length > 0) throw new Fault('ERR_CONFIG_INVALID', problems.join('\n'));
  const kubeconfig = written.kubeconfig === null ? undefined : path.resolve(cwd, written.kubeconfig);
  const namespace = written.namespace ?? (await ownNamespace(kubeconfig)) ?? 'default';
  return resolved({ ...written, namespace }, labels, kubeconfig, isTerminal);
}

function resolved(
  written: WrittenSettings & { readonly namespace: string },
  labels: Readonly<Record<string, string>> | undefined,
  kubeconfig: string | undefined,
  isTerminal: boolean,
): OperatorConfig {
  const { namespace, release, ingest, log } = written;
  return {
    ...written,
    runtimeNamespace: written.runtimeNamespace ?? `${namespace}-${release}-runtime`,
    kubeconfig,
    identity: written.identity ?? hostname(),
    ingest: {
      ...ingest,
      services: { tcp: ingest.services.tcp ?? `${release}-tcp`, udp: ingest.services.udp ?? `${release}-udp` },
      podLabels: labels ?? { 'app.kubernetes.io/instance': release, 'app.kubernetes.io/component': 'ingest' },
    },
    log: { level: log.level, format: log.format ?? (isTerminal ? 'pretty' : 'json') },
  };
}

function readLabels(text: string | null, problems: string[]): Record<string, string> | undefined {
  if (text === null) return undefined;
  const pairs = text.split(',').map((pair) => pair.trim().split('='));
  if (pairs.some((pair) => pair.length !== 2 || pair[0] === '')) {
    problems.push('ingest.podLabels must be name=value with commas between');
    return undefined;
  }
  return Object.fromEntries(pairs as [string, string][]);
}
