/**
 * The conditions of a LiveStream and every reason they give. People and alerts rely on both: a name is never given another
 * meaning.
 */
export const CONDITIONS = {
  Accepted: {
    meaning: 'The object can be served as it is written.',
    reasons: {
      Accepted: 'Nothing stands in the way.',
      NotPermitted: 'The pool does not serve this namespace (`allowedNamespaces`).',
      TooManyStreams:
        'The namespace has more LiveStreams than the pool allows (`maxStreamsPerNamespace`); older ones go first.',
      NameTaken: 'A Secret, Service or EndpointSlice that the operator did not make already has a name that it needs.',
      ProtocolNotOffered: 'A protocol is asked for that the pool does not offer.',
      PolicyNotFound: '`recording.policyRef` names no RecordingPolicy of this namespace.',
      StoreMissing: 'Recording is on, but neither the pool nor the object says where to.',
      StoreNotAllowed: 'The endpoint is not among those that the pool allows (`allowedStoreEndpoints`).',
      StoreSecretNotFound: 'The Secret in `credentialsSecretRef` does not exist.',
      StoreSecretInvalid: 'The Secret in `credentialsSecretRef` lacks a key, or one is empty.',
      DedicatedPortUnavailable: 'The pool has no dedicated SRT ports, or all are taken.',
    },
  },
  CredentialsReady: {
    meaning: 'There are keys to publish with.',
    reasons: {
      Generated: 'The operator made the keys.',
      FromSecret: 'The keys come from the Secret in `credentials.secretRef`.',
      NotAccepted: 'No keys are made for what cannot be served: see Accepted.',
      Rotating: 'New keys are on their way to the pods; the present ones stay valid.',
      SecretNotFound: 'The Secret in `credentials.secretRef` does not exist; keys in force stay in force.',
      SecretInvalid: 'A key in the Secret of `credentials.secretRef` cannot be used; keys in force stay in force.',
    },
  },
  Programmed: {
    meaning: 'Every ready pod of the pool obeys the present configuration.',
    reasons: {
      Programmed: 'All ready pods have it.',
      Pending: 'Some pods have not reported it yet.',
      NoReadyPods: 'The pool has no pod that is ready.',
      RejectedByPod: 'A pod cannot obey it and keeps the one before; the message is the pod’s.',
      NotAccepted: 'There is nothing to program: see Accepted and CredentialsReady.',
    },
  },
  Live: {
    meaning: 'A publisher is sending.',
    reasons: {
      Publishing: 'A publisher is connected.',
      NoPublisher: 'Nobody publishes. This is no fault.',
      Suspended: '`spec.suspend` is set: nobody may publish.',
      Unknown: 'No pod could be asked for a while.',
    },
  },
  RecordingHealthy: {
    meaning: 'What is published is recorded and reaches the store.',
    reasons: {
      Healthy: 'Nothing is late.',
      RecordingOff: 'Recording is not asked for.',
      SpoolNotPersistent: 'Recording works, but the pool has no spool volume: a lost pod costs what was not uploaded.',
      Backlogged: 'Segments wait longer than they should; they are kept on the spool volume meanwhile.',
      StoreUnreachable: 'The store refuses or does not answer; segments are kept on the spool volume meanwhile.',
      SpoolFull: 'The spool volume is full: `onFull` says what gives way.',
      Failed: 'The recording stopped; the message says why.',
      Unknown: 'No pod could be asked for a while.',
    },
  },
  Ready: {
    meaning: 'Publishing would work and be recorded. A camera that is off is ready.',
    reasons: {
      Ready: 'All of Accepted, CredentialsReady, Programmed and RecordingHealthy are true.',
      NotAccepted: 'Accepted is not true.',
      CredentialsNotReady: 'CredentialsReady is not true.',
      NotProgrammed: 'Programmed is not true.',
      RecordingUnhealthy: 'RecordingHealthy is not true.',
      Suspended: '`spec.suspend` is set.',
      Terminating: 'The object is being deleted.',
    },
  },
} as const;

export type ConditionType = keyof typeof CONDITIONS;
export type ReasonOf<T extends ConditionType> = keyof (typeof CONDITIONS)[T]['reasons'];
export const CONDITION_TYPES = Object.keys(CONDITIONS) as readonly ConditionType[];

/** As `metav1.Condition`. */
export interface Condition {
  readonly type: ConditionType;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  /** RFC 3339; changes with `status` only. */
  readonly lastTransitionTime: string;
  readonly observedGeneration: number;
}

/** Longest message of a condition. */
export const MESSAGE_LENGTH = 1024;
