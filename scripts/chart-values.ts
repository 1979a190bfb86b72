import { z } from 'zod';
import { DURATION_PATTERN } from '../crds/duration.ts';
import { ON_DUPLICATE, PLAYBACK_PROTOCOLS, PROTOCOLS, SRT_ENCRYPTION } from '../crds/live-stream.ts';

const name = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
const optionalName = z
  .string()
  .max(253)
  .regex(/^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$/);
const duration = z.string().regex(new RegExp(DURATION_PATTERN));
const quantity = z.string().regex(/^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$/);
const amount = z.union([quantity, z.number().positive()]);
const port = z.int().min(1).max(65_535).nullable();
const nodePort = port;
/** What Kubernetes itself checks: passed on as it is. */
const strings = z.record(z.string(), z.string());
const anything = z.record(z.string(), z.unknown());
const listOfAnything = z.array(anything);
const logLevel = z.enum(['debug', 'info', 'warn', 'error']);

const resources = z.strictObject({
  requests: z.record(z.string(), amount).optional(),
  limits: z.record(z.string(), amount).optional(),
  claims: listOfAnything.optional(),
});

const serviceAccount = z.strictObject({ create: z.boolean(), name: optionalName, annotations: strings });

const placement = {
  podAnnotations: strings,
  podLabels: strings,
  nodeSelector: strings,
  tolerations: listOfAnything,
  affinity: anything,
  priorityClassName: optionalName,
};

const service = <N extends z.ZodRawShape>(nodePorts: N) =>
  z.strictObject({
    type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer']),
    annotations: strings,
    loadBalancerClass: z.string().nullable(),
    loadBalancerSourceRanges: z.array(z.string()),
    externalTrafficPolicy: z.enum(['Local', 'Cluster']),
    nodePorts: z.strictObject(nodePorts),
  });

/** The chart's values. What is not here, `helm install` refuses. */
export const CHART_VALUES = z.strictObject({
  image: z.strictObject({
    repository: z.string().min(1),
    tag: z.string(),
    digest: z.string().regex(/^(sha256:[0-9a-f]{64})?$/),
    pullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']),
    pullSecrets: z.array(name),
  }),
  nameOverride: optionalName,
  fullnameOverride: optionalName,
  pool: z.strictObject({
    name,
    allowedNamespaces: z.array(z.string().max(63)).max(1000),
    maxStreamsPerNamespace: z.int().min(0),
    allowedStoreEndpoints: z
      .array(
        z
          .string()
          .max(253)
          .regex(/^https?:\/\//),
      )
      .max(100),
  }),
  watchNamespaces: z.array(name),
  runtimeNamespace: z.strictObject({ create: z.boolean() }),
  streams: z.strictObject({
    protocols: z.array(z.enum(PROTOCOLS)).min(1),
    onDuplicate: z.enum(ON_DUPLICATE),
    idleTimeout: duration,
    rotationOverlap: duration,
    srt: z.strictObject({
      latency: duration,
      encryption: z.enum(SRT_ENCRYPTION),
      keyLength: z.literal([16, 24, 32]),
    }),
    recording: z.strictObject({
      format: z.enum(['fmp4', 'flv']),
      segmentDuration: duration,
      segmentPattern: z.string().regex(/^%p\//).max(512).nullable(),
      onFull: z.enum(['DropOldest', 'StopRecording']),
    }),
    playback: z.array(z.enum(PLAYBACK_PROTOCOLS)).min(1),
  }),
  store: z.strictObject({
    url: z.string().regex(/^(s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/.*)?)?$/),
    endpoint: z
      .string()
      .regex(/^https?:\/\/[^/@]+\/?$/)
      .nullable(),
    region: z.string().min(1),
    forcePathStyle: z.boolean(),
    conditionalWrites: z.enum(['auto', 'required', 'off']),
    existingSecret: optionalName,
  }),
  spool: z.strictObject({
    persistence: z.strictObject({
      enabled: z.boolean(),
      size: quantity,
      storageClassName: optionalName.nullable(),
      annotations: strings,
    }),
    maxBytes: z
      .string()
      .regex(/^[0-9]+([kKMGT]i?B?)?$/)
      .nullable(),
  }),
  drain: z.strictObject({ flush: duration }),
  ingest: z.strictObject({
    // One pod is the whole pool until a stream can move to another.
    replicas: z.int().min(0).max(1),
    publicHost: z
      .string()
      .regex(/^[A-Za-z0-9.:-]+$/)
      .nullable(),
    publicPorts: z.strictObject({ rtmp: port, rtmps: port, srt: port }),
    service: z.strictObject({
      tcp: service({ rtmp: nodePort, rtmps: nodePort, http: nodePort }),
      udp: service({ srt: nodePort }),
    }),
    apiTokenSecret: optionalName,
    config: anything,
    logLevel,
    serviceAccount,
    resources,
    extraEnv: listOfAnything,
    ...placement,
  }),
  srt: z.strictObject({
    dedicatedPorts: z.strictObject({
      enabled: z.boolean(),
      from: z.int().min(1024).max(65_535),
      to: z.int().min(1024).max(65_535),
      serviceType: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer']),
    }),
  }),
  tls: z.strictObject({ secretName: optionalName }),
  operator: z.strictObject({
    replicas: z.int().min(0).max(10),
    logLevel,
    deletionTimeout: duration,
    serviceAccount,
    resources,
    ...placement,
  }),
  crds: z.strictObject({ enabled: z.boolean(), keep: z.boolean() }),
  admissionPolicy: z.strictObject({ enabled: z.boolean() }),
  rbac: z.strictObject({ aggregate: z.boolean() }),
  uninstall: z.strictObject({ hook: z.boolean() }),
  podDisruptionBudget: z.strictObject({ enabled: z.boolean() }),
  networkPolicy: z.strictObject({
    enabled: z.boolean(),
    publishersFrom: listOfAnything,
    metricsFrom: listOfAnything,
  }),
  podMonitor: z.strictObject({ enabled: z.boolean(), interval: duration, labels: strings }),
  prometheusRule: z.strictObject({ enabled: z.boolean(), labels: strings }),
  grafanaDashboard: z.strictObject({ enabled: z.boolean(), labels: strings }),
  minio: z.strictObject({
    enabled: z.boolean(),
    image: z.string().min(1),
    bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/),
    persistence: z.strictObject({
      enabled: z.boolean(),
      size: quantity,
      storageClassName: optionalName.nullable(),
    }),
    resources,
  }),
  // Helm's own.
  global: anything.optional(),
});

/**
 * `values.schema.json`: what `helm install`, `upgrade`, `lint` and `template` check values with. Nothing in it is required: Helm
 * has the defaults of values.yaml by then, and takes away what is null, in them (Helm 4) or in what people set.
 */
export function chartValuesSchema(): string {
  const schema = z.toJSONSchema(CHART_VALUES, {
    target: 'draft-07',
    io: 'input',
    override: ({ jsonSchema }) => {
      delete jsonSchema.required;
    },
  });
  return `${JSON.stringify({ ...schema, title: 'Values of the Headwater chart' }, null, 2)}\n`;
}
