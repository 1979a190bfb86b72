/** Every name that the operator, the ingest pods, the chart and the people who use them must agree on. */

export const GROUP = 'headwater.dev';
export const VERSION = 'v1alpha1';
export const API_VERSION = `${GROUP}/${VERSION}`;

/** `type` of the Secrets that the operator writes; a ValidatingAdmissionPolicy of the chart keeps it to these. */
export const SECRET_TYPES = {
  /** `<name>-ingest`, beside its LiveStream: the keys and URLs for the people who publish. */
  publish: `${GROUP}/ingest`,
  /** `s-<uid>` in the runtime namespace: what the pods obey. */
  streamConfig: `${GROUP}/stream-config`,
  /** `d-<uid>` in the runtime namespace: recordings that are to be deleted. */
  tombstone: `${GROUP}/tombstone`,
} as const;

/** The one key of a Secret of each type that has a document in it. */
export const CONFIG_KEY = 'config.json';
export const TOMBSTONE_KEY = 'tombstone.json';

/** Keys of `<name>-ingest`. A Secret that `credentials.secretRef` names has the first two. */
export const PUBLISH_SECRET_KEYS = {
  rtmpKey: 'rtmpKey',
  srtPassphrase: 'srtPassphrase',
  rtmpUrl: 'rtmpUrl',
  srtUrl: 'srtUrl',
  previousRtmpKey: 'previousRtmpKey',
  previousSrtPassphrase: 'previousSrtPassphrase',
} as const;

/** Secret in the runtime namespace, made by the chart and kept over upgrades, that signs requests between operator and pods. */
export const RELAY_KEY_SECRET = 'relay-key';
export const RELAY_KEY_KEY = 'key';

export const LABELS = {
  pool: `${GROUP}/pool`,
  /** The LiveStream's uid: what lies in the runtime namespace cannot have it as its owner. */
  uid: `${GROUP}/uid`,
  managedBy: 'app.kubernetes.io/managed-by',
  serviceName: 'kubernetes.io/service-name',
} as const;

/** Value of `managedBy` on what the operator makes. */
export const MANAGED_BY = 'headwater-operator';

export const ANNOTATIONS = {
  /** `<namespace>/<name>` of the LiveStream that an object in the runtime namespace is for. */
  stream: `${GROUP}/stream`,
  /** On a LiveStream: `"true"` lets it be deleted without waiting for what is not uploaded yet. */
  forceDelete: `${GROUP}/force-delete`,
  /** On a heartbeat Lease: where the pod is reached, and whether it takes new publishers. */
  address: `${GROUP}/address`,
  internalPort: `${GROUP}/internal-port`,
  draining: `${GROUP}/draining`,
  /** On a claim Lease: the publication that its holder has, or had last. */
  publication: `${GROUP}/publication`,
  epoch: `${GROUP}/epoch`,
  recording: `${GROUP}/recording`,
  /** RFC 3339. */
  publishedAt: `${GROUP}/published-at`,
  lastMediaAt: `${GROUP}/last-media-at`,
} as const;

/** Holds a LiveStream only while a publication is live, a backlog exists or recordings are to be deleted. */
export const FINALIZER = `${GROUP}/recordings`;

/** The one field manager of server-side apply. */
export const FIELD_MANAGER = 'headwater-operator';

/** A heartbeat is this Lease's `renewTime`; a pod writes its own and nobody else's. */
export const HEARTBEAT = { renewEveryMs: 3_000, durationSeconds: 10 } as const;

export const streamConfigName = (uid: string): string => `s-${uid}`;
export const tombstoneName = (uid: string): string => `d-${uid}`;
export const heartbeatLeaseName = (podName: string): string => `pod-${podName}`;
export const claimLeaseName = (uid: string): string => `c-${uid}`;
export const publishSecretName = (streamName: string): string => `${streamName}-ingest`;
/** What a stream is called on the wire: `<namespace>/<name>`. */
export const pathOf = (namespace: string, name: string): string => `${namespace}/${name}`;

/** Container ports of an ingest pod, and of the operator's health and metrics. None is below 1024. */
export const PORTS = { rtmp: 1935, rtmps: 1936, srt: 10_080, http: 8080, internal: 9090, operator: 8081 } as const;
