import { z } from 'zod';
import { PORTS } from '../../crds/names.ts';
import { POOL_DEFAULTS, type PoolDefaults } from '../../crds/pool-defaults.ts';
import type { ListenAddress } from '../../ingest/config/listen-address.ts';
import {
  address,
  between,
  choice,
  duration,
  integer,
  LOG_FORMATS,
  oneOf,
  orNull,
  SETTING_TYPES,
  setting,
  typeIn,
  wholeNumber,
} from '../../ingest/config/schema.ts';
import type { Setting, SettingsTable } from '../../ingest/config/settings-table.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** Every default of `headwater operator`. `null`: nothing is set. Durations in ms. */
const OPERATOR_DEFAULTS = {
  pool: null,
  release: 'headwater',
  namespace: null,
  runtimeNamespace: null,
  watchNamespaces: '',
  kubeconfig: null,
  identity: null,
  metrics: { listen: `:${PORTS.operator}` },
  ingest: {
    publicHost: null,
    publicPorts: { rtmp: null, rtmps: null, srt: null },
    services: { tcp: null, udp: null },
    podLabels: null,
    dedicatedServiceType: 'LoadBalancer',
  },
  rotation: { podsFirst: 60 * SECOND },
  status: { slowInterval: 60 * SECOND, urgentPerSecond: 50, slowPerSecond: 2 },
  deletion: { timeout: 15 * MINUTE, sweepInterval: 5 * MINUTE },
  api: { requestsPerSecond: 150, burst: 300, workers: 16 },
  log: { level: 'info', format: null },
} as const;

type KeysOf<T> = {
  [K in keyof T & string]: T[K] extends Record<string, unknown> ? `${K}.${KeysOf<T[K]>}` : K;
}[keyof T & string];

type OperatorKey = KeysOf<typeof OPERATOR_DEFAULTS>;

const SETTINGS: { readonly [K in OperatorKey]: Setting } = {
  pool: { help: 'What the pool gives to its streams and lets them do, as the chart writes it', unset: 'defaults' },
  release: { flag: 'release', help: 'Name of the Helm release' },
  namespace: { flag: 'namespace', help: 'Namespace of the release', unset: "the pod's own" },
  runtimeNamespace: {
    flag: 'runtime-namespace',
    help: 'Namespace of what the pods obey and nothing else',
    unset: '`<namespace>-<release>-runtime`',
  },
  watchNamespaces: {
    flag: 'watch-namespaces',
    help: 'Namespaces whose LiveStreams are served, with commas between',
    unset: 'all',
  },
  kubeconfig: { flag: 'kubeconfig', help: 'How the API server is reached', unset: "the pod's ServiceAccount" },
  identity: { flag: 'identity', help: 'Name of this replica in the leader Lease', unset: "the host's name" },
  'metrics.listen': { flag: 'metrics-addr', help: 'Where /metrics, /healthz and /readyz are served; empty: off' },
  'ingest.publicHost': {
    flag: 'public-host',
    help: 'Host in the URLs to publish to',
    unset: "the load balancer's, else the Service's name",
  },
  'ingest.publicPorts.rtmp': { help: 'Port for RTMP in them', unset: "the Service's" },
  'ingest.publicPorts.rtmps': { help: 'Port for RTMPS in them', unset: "the Service's" },
  'ingest.publicPorts.srt': { help: 'Port for SRT in them', unset: "the Service's" },
  'ingest.services.tcp': { help: 'Service that leads to the pods by TCP', unset: '`<release>-tcp`' },
  'ingest.services.udp': { help: 'Service that leads to the pods by UDP', unset: '`<release>-udp`' },
  'ingest.podLabels': {
    help: "Labels of the pool's pods, as name=value with commas between: where dedicated SRT ports lead to",
    unset: '`app.kubernetes.io/instance=<release>,app.kubernetes.io/component=ingest`',
  },
  'ingest.dedicatedServiceType': { help: 'Type of the Service with the dedicated SRT ports' },
  'rotation.podsFirst': { help: 'How long new keys wait for the pods, at most, before people are shown them' },
  'status.slowInterval': { help: 'Least time between two writes of figures in one status' },
  'status.urgentPerSecond': { help: 'Most status writes a second that tell of a change of state' },
  'status.slowPerSecond': { help: 'Most status writes a second that only bring figures' },
  'deletion.timeout': { help: 'How long a deleted LiveStream waits for what is not uploaded yet' },
  'deletion.sweepInterval': {
    help: 'Time between two looks for what belongs to no LiveStream; what is seen twice goes',
  },
  'api.requestsPerSecond': { help: 'Most requests a second to the API server; Leases and watches are not counted' },
  'api.burst': { help: 'Requests at once after a quiet time' },
  'api.workers': { help: 'LiveStreams worked on at the same time' },
  'log.level': { flag: 'log-level', help: 'Least severe level that is logged' },
  'log.format': {
    flag: 'log-format',
    help: 'Lines for people or for programs',
    unset: 'pretty on a terminal, else json',
  },
};

const SPECIAL_FLAGS = {
  config: { takesValue: true, help: 'YAML file with settings' },
  'release-streams': {
    takesValue: false,
    help: 'Let every LiveStream of the pool go, so that nothing hangs after an uninstall, and exit',
  },
  help: { takesValue: false, help: 'Print this and exit' },
  version: { takesValue: false, help: 'Print the version and exit' },
} as const;

const D = OPERATOR_DEFAULTS;
const text = (): z.ZodType<string | null, unknown> => setting<string | null>({ name: 'text' }, null, orNull(String));
const port = (): z.ZodType<number | null, unknown> =>
  setting<number | null>({ name: 'integer' }, null, orNull(between(1, 65_535, wholeNumber)));

/** Names with commas between, or a YAML list of them. */
const list = z
  .preprocess(
    (value) =>
      typeof value === 'string'
        ? value
            .split(',')
            .map((part) => part.trim())
            .filter(Boolean)
        : value,
    z.array(z.string(), { error: 'must be names with commas between' }),
  )
  .default([])
  .register(SETTING_TYPES, { name: 'list' }) as unknown as z.ZodType<string[], unknown>;

const pool = z
  .unknown()
  .default({})
  .transform((value, context): PoolDefaults => {
    const result = POOL_DEFAULTS.safeParse(value ?? {});
    if (result.success) return result.data;
    for (const { path, message } of result.error.issues) {
      context.addIssue({ code: 'custom', message: `${path.join('.')}: ${message}` });
    }
    return z.NEVER;
  })
  .register(SETTING_TYPES, { name: 'document' });

const SCHEMA = z.strictObject({
  pool,
  release: setting<string>({ name: 'text' }, D.release, String),
  namespace: text(),
  runtimeNamespace: text(),
  watchNamespaces: list,
  kubeconfig: setting<string | null>({ name: 'path' }, null, orNull(String)),
  identity: text(),
  metrics: z.strictObject({ listen: address(D.metrics.listen) }),
  ingest: z.strictObject({
    publicHost: text(),
    publicPorts: z.strictObject({ rtmp: port(), rtmps: port(), srt: port() }),
    services: z.strictObject({ tcp: text(), udp: text() }),
    podLabels: text(),
    dedicatedServiceType: choice(D.ingest.dedicatedServiceType, ['ClusterIP', 'NodePort', 'LoadBalancer']),
  }),
  rotation: z.strictObject({ podsFirst: duration(D.rotation.podsFirst) }),
  status: z.strictObject({
    slowInterval: duration(D.status.slowInterval, SECOND),
    urgentPerSecond: integer(D.status.urgentPerSecond, 1, 1000),
    slowPerSecond: integer(D.status.slowPerSecond, 1, 1000),
  }),
  deletion: z.strictObject({
    timeout: duration(D.deletion.timeout),
    sweepInterval: duration(D.deletion.sweepInterval, SECOND),
  }),
  api: z.strictObject({
    requestsPerSecond: integer(D.api.requestsPerSecond, 1, 10_000),
    burst: integer(D.api.burst, 1, 10_000),
    workers: integer(D.api.workers, 1, 256),
  }),
  log: z.strictObject({
    level: choice(D.log.level, ['debug', 'info', 'warn', 'error']),
    format: setting<(typeof LOG_FORMATS)[number] | null>(
      { name: 'choice', choices: LOG_FORMATS },
      null,
      orNull(oneOf(LOG_FORMATS)),
    ),
  }),
});

export type OperatorFlag = keyof typeof SPECIAL_FLAGS;

/** What `headwater operator` is told by. */
export const OPERATOR_SETTINGS: SettingsTable<OperatorKey, OperatorFlag> = {
  settings: SETTINGS,
  special: SPECIAL_FLAGS,
  defaults: OPERATOR_DEFAULTS,
  typeOf: (key) => typeIn(SCHEMA, key),
};

/** As written, before what depends on others is filled in. */
export const OPERATOR_SCHEMA = SCHEMA;
export type WrittenSettings = z.output<typeof SCHEMA>;

/** What the operator obeys, fully resolved. */
export interface OperatorConfig {
  readonly pool: PoolDefaults;
  readonly release: string;
  readonly namespace: string;
  readonly runtimeNamespace: string;
  /** Empty: all. */
  readonly watchNamespaces: readonly string[];
  readonly kubeconfig: string | undefined;
  readonly identity: string;
  readonly metrics: { readonly listen: ListenAddress | null };
  readonly ingest: {
    readonly publicHost: string | null;
    readonly publicPorts: { readonly rtmp: number | null; readonly rtmps: number | null; readonly srt: number | null };
    readonly services: { readonly tcp: string; readonly udp: string };
    readonly podLabels: Readonly<Record<string, string>>;
    readonly dedicatedServiceType: 'ClusterIP' | 'NodePort' | 'LoadBalancer';
  };
  readonly rotation: WrittenSettings['rotation'];
  readonly status: WrittenSettings['status'];
  readonly deletion: WrittenSettings['deletion'];
  readonly api: WrittenSettings['api'];
  readonly log: { readonly level: WrittenSettings['log']['level']; readonly format: (typeof LOG_FORMATS)[number] };
}
