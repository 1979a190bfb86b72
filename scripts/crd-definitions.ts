import { stringify } from 'yaml';
import { z } from 'zod';
import { LIVE_STREAM } from '../crds/live-stream.ts';
import { LIVE_STREAM_STATUS } from '../crds/live-stream-status.ts';
import { API_VERSION, GROUP, VERSION } from '../crds/names.ts';
import { RECORDING_POLICY } from '../crds/recording-policy.ts';

/** A node of a structural OpenAPI schema, as `apiextensions.k8s.io/v1` takes it. */
export interface OpenApiSchema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, OpenApiSchema>>;
  readonly items?: OpenApiSchema;
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly maxLength?: number;
  readonly minLength?: number;
  readonly maxItems?: number;
  readonly minItems?: number;
  readonly maximum?: number;
  readonly minimum?: number;
  readonly format?: string;
  readonly additionalProperties?: boolean;
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string; readonly message: string }[];
  readonly 'x-kubernetes-list-type'?: string;
}

interface Column {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date';
  readonly jsonPath: string;
  readonly description: string;
  /** 1: with `-o wide` only. */
  readonly priority?: 1;
}

interface Kind {
  readonly kind: string;
  readonly plural: string;
  readonly shortName: string;
  readonly schema: z.ZodType;
  readonly status?: z.ZodType;
  readonly selectableFields?: readonly string[];
  readonly columns: readonly Column[];
}

const condition = (type: string, key: 'status' | 'reason'): string => `.status.conditions[?(@.type=='${type}')].${key}`;
const AGE: Column = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: 'Time since it was made.',
};

/** Every kind of the group. */
export const KINDS: readonly Kind[] = [
  {
    kind: 'LiveStream',
    plural: 'livestreams',
    shortName: 'lstream',
    schema: LIVE_STREAM,
    status: LIVE_STREAM_STATUS,
    selectableFields: ['.spec.pool'],
    columns: [
      {
        name: 'Ready',
        type: 'string',
        jsonPath: condition('Ready', 'status'),
        description: 'Whether publishing would work and be recorded.',
      },
      {
        name: 'Phase',
        type: 'string',
        jsonPath: '.status.phase',
        description: 'Pending, Idle, Live, Suspended or Terminating.',
      },
      {
        name: 'Protocol',
        type: 'string',
        jsonPath: '.status.publisher.protocol',
        description: 'How the publisher came in.',
      },
      { name: 'Video', type: 'string', jsonPath: '.status.publisher.video', description: 'Codec and size.' },
      {
        name: 'Bitrate',
        type: 'string',
        jsonPath: '.status.publisher.bitrateBucket',
        description: 'Bit rate, roughly.',
      },
      AGE,
      {
        name: 'Reason',
        type: 'string',
        jsonPath: condition('Ready', 'reason'),
        description: 'Why it is ready or not.',
        priority: 1,
      },
      {
        name: 'Audio',
        type: 'string',
        jsonPath: '.status.publisher.audio',
        description: 'Codec and sample rate.',
        priority: 1,
      },
      {
        name: 'Pod',
        type: 'string',
        jsonPath: '.status.publisher.pod',
        description: 'Pod that has the publisher.',
        priority: 1,
      },
      { name: 'Pool', type: 'string', jsonPath: '.spec.pool', description: 'Pool that serves it.', priority: 1 },
      {
        name: 'Recording',
        type: 'string',
        jsonPath: '.status.recording.current',
        description: 'The recording that is being written.',
        priority: 1,
      },
      {
        name: 'Backlog',
        type: 'integer',
        jsonPath: '.status.recording.backlogBytes',
        description: 'Bytes that the store has not confirmed.',
        priority: 1,
      },
      {
        name: 'Publish-To',
        type: 'string',
        jsonPath: '.status.endpoints.rtmp',
        description: 'RTMP server and path, without the key.',
        priority: 1,
      },
    ],
  },
  {
    kind: 'RecordingPolicy',
    plural: 'recordingpolicies',
    shortName: 'recpol',
    schema: RECORDING_POLICY,
    columns: [
      {
        name: 'Bucket',
        type: 'string',
        jsonPath: '.spec.store.bucket',
        description: 'Bucket, where it is not the pool’s.',
      },
      { name: 'Format', type: 'string', jsonPath: '.spec.format', description: 'Container of the segments.' },
      { name: 'Segment', type: 'string', jsonPath: '.spec.segmentDuration', description: 'Length of the segments.' },
      AGE,
      {
        name: 'Endpoint',
        type: 'string',
        jsonPath: '.spec.store.endpoint',
        description: 'S3 server, where it is not the pool’s.',
        priority: 1,
      },
      {
        name: 'Prefix',
        type: 'string',
        jsonPath: '.spec.store.prefix',
        description: 'What keys begin with.',
        priority: 1,
      },
    ],
  },
];

/** `schema` as the API server wants it: nothing closed beside named properties, no bounds that say nothing. */
export function openApiOf(schema: z.ZodType): OpenApiSchema {
  return structural(z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input' }) as OpenApiSchema);
}

function structural({ additionalProperties: _, ...node }: OpenApiSchema): OpenApiSchema {
  const { description, type, minimum, maximum, properties, items, ...rest } = node;
  const isBound = (n: number | undefined): n is number => n !== undefined && Math.abs(n) < Number.MAX_SAFE_INTEGER;
  return {
    ...(description !== undefined && { description }),
    ...(type !== undefined && { type }),
    ...(type === 'integer' && { format: 'int64' }),
    ...(isBound(minimum) && { minimum }),
    ...(isBound(maximum) && { maximum }),
    ...rest,
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([key, child]) => [key, structural(child)])),
    }),
    ...(items && { items: structural(items) }),
  };
}

/** The schema of the whole object: the API server owns apiVersion, kind and metadata. */
export function objectSchema({ schema, status }: Kind): OpenApiSchema {
  const { description, properties = {}, ...node } = openApiOf(schema);
  return {
    description: description!,
    type: 'object',
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: properties.spec!,
      ...(status && { status: openApiOf(status) }),
    },
    ...('x-kubernetes-validations' in node && { 'x-kubernetes-validations': node['x-kubernetes-validations'] }),
  };
}

/** The CustomResourceDefinition of a kind. */
export function crdOf(kind: Kind): object {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${kind.plural}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: 'Namespaced',
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural: kind.plural,
        singular: kind.kind.toLowerCase(),
        shortNames: [kind.shortName],
        categories: ['headwater'],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          ...(kind.status && { subresources: { status: {} } }),
          ...(kind.selectableFields && { selectableFields: kind.selectableFields.map((jsonPath) => ({ jsonPath })) }),
          additionalPrinterColumns: kind.columns,
          schema: { openAPIV3Schema: objectSchema(kind) },
        },
      ],
    },
  };
}

/** File name in `crds/` and text of each definition. */
export function crdFiles(): ReadonlyMap<string, string> {
  return new Map(
    KINDS.map((kind) => [
      `${kind.plural}.yaml`,
      `# ${kind.kind} of ${API_VERSION}. Made from crds/*.ts by \`npm run gen\`. Do not edit.\n${stringify(crdOf(kind), { lineWidth: 0, aliasDuplicateObjects: false })}`,
    ]),
  );
}
