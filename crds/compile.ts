import { createHash } from 'node:crypto';
import { canonicalJson } from './canonical-json.ts';
import type { CompileProblem } from './compile-problem.ts';
import { compileRecording, recordingSpec } from './compile-recording.ts';
import { durationMs } from './duration.ts';
import { effectiveOf } from './effective.ts';
import { matchesGlob } from './glob.ts';
import type { LiveStream } from './live-stream.ts';
import type { LiveStreamEffective } from './live-stream-status.ts';
import { pathOf } from './names.ts';
import type { PoolDefaults } from './pool-defaults.ts';
import { protocolsOf } from './publish-keys.ts';
import type { RecordingPolicy } from './recording-policy.ts';
import type { StreamConfig, StreamCredentials } from './stream-config.ts';

/** Everything that a stream's configuration is made of. */
export interface CompileInput {
  readonly stream: LiveStream;
  readonly pool: PoolDefaults;
  /** The one that `recording.policyRef` names; undefined: there is none of that name. */
  readonly policy: RecordingPolicy | undefined;
  /** Data of the Secret that `storeSecretName` gives, decoded; undefined: there is none. */
  readonly storeSecret: Readonly<Record<string, string>> | undefined;
  /** The keys in force. */
  readonly credentials: StreamCredentials;
  /** The UDP port that was set aside for it; null: none. */
  readonly dedicatedPort: number | null;
  /** How many LiveStreams of the same namespace and pool are older. */
  readonly olderInNamespace: number;
}

export type Compiled =
  | { readonly config: StreamConfig; readonly effective: LiveStreamEffective; readonly problems: readonly [] }
  | { readonly config?: undefined; readonly effective?: undefined; readonly problems: readonly CompileProblem[] };

/** Name of the Secret with the store's credentials that the stream needs; undefined: none. */
export function storeSecretName(stream: LiveStream, policy: RecordingPolicy | undefined): string | undefined {
  return recordingSpec(stream, policy)?.store?.credentialsSecretRef?.name;
}

/**
 * Makes of a LiveStream what an ingest pod obeys, or says all that stands in the way. Pure: the operator uses it with objects
 * of the API server, `headwater serve --streams` with the same objects from files.
 */
export function compile(input: CompileInput): Compiled {
  const { stream, pool, policy, storeSecret } = input;
  const recording = compileRecording(stream, policy, storeSecret, pool);
  const problems = [...permission(input), ...offer(input), ...recording.problems];
  if (problems.length > 0) return { problems };

  const { ingest = {}, playback = {} } = stream.spec;
  const rest: Omit<StreamConfig, 'revision'> = {
    version: 1,
    uid: stream.metadata.uid ?? '',
    path: pathOf(stream.metadata.namespace, stream.metadata.name),
    state: stateOf(stream),
    protocols: protocolsOf(stream.spec, pool),
    onDuplicate: ingest.onDuplicate ?? pool.onDuplicate,
    idleTimeoutMs: durationMs(ingest.idleTimeout ?? '') ?? pool.idleTimeout,
    credentials: input.credentials,
    srt: {
      latencyMs: durationMs(ingest.srt?.latency ?? '') ?? pool.srt.latency,
      encryption: ingest.srt?.encryption ?? pool.srt.encryption,
      keyLength: ingest.srt?.keyLength ?? pool.srt.keyLength,
      dedicatedPort: ingest.dedicatedPort === true ? input.dedicatedPort : null,
    },
    recording: recording.config,
    playback: { protocols: pool.playback.protocols.filter((p) => playback.protocols?.includes(p) ?? true) },
  };
  const config: StreamConfig = { ...rest, revision: revisionOf(rest) };
  return { config, effective: effectiveOf(config, stream, pool), problems: [] };
}

/** Whether the pool serves a LiveStream of this namespace of which `olderInNamespace` others are older. */
export function isPermitted(namespace: string, olderInNamespace: number, pool: PoolDefaults): boolean {
  return servesNamespace(pool, namespace) && hasRoom(pool, olderInNamespace);
}

const servesNamespace = ({ allowedNamespaces }: PoolDefaults, namespace: string): boolean =>
  allowedNamespaces.some((pattern) => matchesGlob(pattern, namespace));

const hasRoom = ({ maxStreamsPerNamespace: limit }: PoolDefaults, olderInNamespace: number): boolean =>
  limit === 0 || olderInNamespace < limit;

function* permission({ stream, pool, olderInNamespace }: CompileInput): Generator<CompileProblem> {
  const { namespace } = stream.metadata;
  if (!servesNamespace(pool, namespace)) {
    yield {
      reason: 'NotPermitted',
      message: `The pool ${pool.name} does not serve namespace ${namespace}: ask for it to be added to allowedNamespaces, or name another pool.`,
      revokes: true,
    };
  }
  if (!hasRoom(pool, olderInNamespace)) {
    yield {
      reason: 'TooManyStreams',
      message: `The pool ${pool.name} takes ${pool.maxStreamsPerNamespace} LiveStreams of a namespace, and ${olderInNamespace} of ${namespace} are older: delete one, or ask for more.`,
      revokes: false,
    };
  }
}

function* offer({ stream, pool, dedicatedPort, olderInNamespace }: CompileInput): Generator<CompileProblem> {
  const { ingest = {}, playback = {} } = stream.spec;
  const refuse = (where: string, wanted: readonly string[], offered: readonly string[]): CompileProblem => ({
    reason: 'ProtocolNotOffered',
    message: `${where} asks for ${wanted.join(' and ')}, and the pool ${pool.name} offers ${offered.join(', ') || 'nothing'}: take ${wanted.length === 1 ? 'it' : 'them'} out, or ask for ${wanted.length === 1 ? 'it' : 'them'}.`,
    revokes: false,
  });
  const notIngested = (ingest.protocols ?? []).filter((p) => !pool.protocols.includes(p));
  if (notIngested.length > 0) yield refuse('spec.ingest.protocols', notIngested, pool.protocols);
  const srtSettings = (['srt', 'dedicatedPort'] as const).find(
    (key) => ingest[key] !== undefined && ingest[key] !== false,
  );
  if (srtSettings !== undefined && !pool.protocols.includes('SRT')) {
    yield refuse(`spec.ingest.${srtSettings}`, ['SRT'], pool.protocols);
  }
  const notPlayed = (playback.protocols ?? []).filter((p) => !pool.playback.protocols.includes(p));
  if (notPlayed.length > 0) yield refuse('spec.playback.protocols', notPlayed, pool.playback.protocols);

  // No port is set aside for who is not served at all.
  const mayHavePort = isPermitted(stream.metadata.namespace, olderInNamespace, pool);
  if (ingest.dedicatedPort === true && pool.protocols.includes('SRT') && dedicatedPort === null && mayHavePort) {
    const { dedicatedPorts } = pool.srt;
    yield {
      reason: 'DedicatedPortUnavailable',
      message:
        dedicatedPorts === null
          ? `The pool ${pool.name} has no dedicated SRT ports: leave ingest.dedicatedPort out, or ask for srt.dedicatedPorts.`
          : `All ${dedicatedPorts.to - dedicatedPorts.from + 1} dedicated SRT ports of the pool ${pool.name} are taken: leave ingest.dedicatedPort out, or ask for more.`,
      revokes: false,
    };
  }
}

function stateOf({ metadata, spec }: LiveStream): StreamConfig['state'] {
  if (metadata.deletionTimestamp !== undefined) return 'deleting';
  return spec.suspend === true ? 'suspended' : 'active';
}

/** The same configuration in another state: what is in force is ended so where nothing new can be compiled. */
export function inState(config: StreamConfig, state: StreamConfig['state']): StreamConfig {
  if (config.state === state) return config;
  const { revision: _, ...rest } = config;
  return { ...rest, state, revision: revisionOf({ ...rest, state }) };
}

/** The same configuration with other keys: they turn, and are revoked, also where nothing new can be compiled. */
export function withCredentials(config: StreamConfig, credentials: StreamCredentials): StreamConfig {
  if (config.credentials === credentials) return config;
  const { revision: _, ...rest } = config;
  return { ...rest, credentials, revision: revisionOf({ ...rest, credentials }) };
}

/** It says whether two configurations are the same, and never leaves the runtime namespace: the keys are part of it. */
function revisionOf(config: Omit<StreamConfig, 'revision'>): string {
  return createHash('sha256').update(canonicalJson(config)).digest('hex').slice(0, 16);
}
