import { type BadObject, stream } from './written-object.ts';

const NAME =
  'metadata.name must begin with a letter, hold only a-z, 0-9 and dashes, end with a letter or digit, and have at most 48 characters: write for example cam-1';
const NO_DURATION = 'is no duration: write whole numbers with the units h, m, s or ms, for example 10s, 500ms or 1h30m';
const NO_NAME = 'is no name of an object: write only the name, in lower case, without a namespace';

const ingest = (fields: object) => stream({ ingest: fields });

/** What people get wrong in a LiveStream, but for recording, and the sentences that they read. */
export const BAD_STREAMS: readonly BadObject[] = [
  { name: 'a name that begins with a digit', object: stream({}, '4k-cam'), refused: [`<nil>: Invalid value: ${NAME}`] },
  { name: 'a name with a dot', object: stream({}, 'cam.1'), refused: [`<nil>: Invalid value: ${NAME}`] },
  {
    name: 'a name that ends with a dash',
    object: stream({}, 'cam-'),
    refused: [
      "metadata.name: Invalid value: \"cam-\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      `<nil>: Invalid value: ${NAME}`,
    ],
  },
  { name: 'a name of 49 letters', object: stream({}, 'c'.repeat(49)), refused: [`<nil>: Invalid value: ${NAME}`] },
  { name: 'no spec', object: stream(undefined), refused: ['spec: Required value'] },
  {
    name: 'a spec that is a list',
    object: stream([]),
    refused: ['spec: Invalid value: "array": spec in body must be of type object: "array"'],
  },
  {
    name: 'a pool in capitals',
    object: stream({ pool: 'Default' }),
    refused: ['spec.pool: Invalid value: "Default": is no name of a pool: write lower case letters, digits and dashes'],
  },
  {
    name: 'a pool without a name',
    object: stream({ pool: '' }),
    refused: ['spec.pool: Invalid value: "": is no name of a pool: write lower case letters, digits and dashes'],
  },
  {
    name: 'a pool with 64 letters',
    object: stream({ pool: 'p'.repeat(64) }),
    refused: ['spec.pool: Too long: may not be more than 63 bytes'],
  },
  {
    name: 'suspend as text',
    object: stream({ suspend: 'yes' }),
    refused: ['spec.suspend: Invalid value: "string": spec.suspend in body must be of type boolean: "string"'],
  },
  {
    name: 'an unknown field of spec',
    object: stream({ recordings: { enabled: true } }),
    refused: [
      'LiveStream in version "v1alpha1" cannot be handled as a LiveStream: strict decoding error: unknown field "spec.recordings"',
    ],
  },
  {
    name: 'an unknown field of ingest',
    object: ingest({ protocol: 'RTMP' }),
    refused: [
      'LiveStream in version "v1alpha1" cannot be handled as a LiveStream: strict decoding error: unknown field "spec.ingest.protocol"',
    ],
  },
  {
    name: 'a protocol that does not exist',
    object: ingest({ protocols: ['WebRTC'] }),
    refused: ['spec.ingest.protocols[0]: Unsupported value: "WebRTC": supported values: "RTMP", "RTMPS", "SRT"'],
  },
  {
    name: 'a protocol in small letters',
    object: ingest({ protocols: ['rtmp'] }),
    refused: ['spec.ingest.protocols[0]: Unsupported value: "rtmp": supported values: "RTMP", "RTMPS", "SRT"'],
  },
  {
    name: 'a protocol twice',
    object: ingest({ protocols: ['RTMP', 'RTMP'] }),
    refused: ['spec.ingest.protocols[1]: Duplicate value: "RTMP"'],
  },
  {
    name: 'no protocol',
    object: ingest({ protocols: [] }),
    refused: ['spec.ingest.protocols: Invalid value: 0: spec.ingest.protocols in body should have at least 1 items'],
  },
  {
    name: 'protocols as text',
    object: ingest({ protocols: 'RTMP' }),
    refused: [
      'spec.ingest.protocols: Invalid value: "string": spec.ingest.protocols in body must be of type array: "string"',
    ],
  },
  {
    name: 'four protocols',
    object: ingest({ protocols: ['RTMP', 'RTMPS', 'SRT', 'RTMP'] }),
    refused: [
      'spec.ingest.protocols: Too many: 4: must have at most 3 items',
      'spec.ingest.protocols[3]: Duplicate value: "RTMP"',
    ],
  },
  {
    name: 'Backup, which does not exist yet',
    object: ingest({ onDuplicate: 'Backup' }),
    refused: [
      'spec.ingest.onDuplicate: Unsupported value: "Backup": supported values: "RejectUnlessStale", "Reject", "TakeOver"',
    ],
  },
  {
    name: 'a duration without a unit',
    object: ingest({ idleTimeout: '10' }),
    refused: ['spec.ingest.idleTimeout: Invalid value: "10": has no unit: write 10s or 10ms'],
  },
  {
    name: 'a duration as a number',
    object: ingest({ idleTimeout: 10 }),
    refused: [
      'spec.ingest.idleTimeout: Invalid value: "integer": spec.ingest.idleTimeout in body must be of type string: "integer"',
    ],
  },
  {
    name: 'a duration in words',
    object: ingest({ idleTimeout: '10 seconds' }),
    refused: [`spec.ingest.idleTimeout: Invalid value: "10 seconds": ${NO_DURATION}`],
  },
  {
    name: 'a duration with a fraction',
    object: ingest({ idleTimeout: '1.5s' }),
    refused: [`spec.ingest.idleTimeout: Invalid value: "1.5s": ${NO_DURATION}`],
  },
  {
    name: 'a negative duration',
    object: ingest({ idleTimeout: '-1s' }),
    refused: [`spec.ingest.idleTimeout: Invalid value: "-1s": ${NO_DURATION}`],
  },
  {
    name: 'a duration in days',
    object: ingest({ idleTimeout: '1d' }),
    refused: [`spec.ingest.idleTimeout: Invalid value: "1d": ${NO_DURATION}`],
  },
  {
    name: 'an empty duration',
    object: ingest({ idleTimeout: '' }),
    refused: [`spec.ingest.idleTimeout: Invalid value: "": ${NO_DURATION}`],
  },
  {
    name: 'a duration of 17 characters',
    object: ingest({ idleTimeout: '1h1h1h1h1h1h1h1h1' }),
    refused: ['spec.ingest.idleTimeout: Too long: may not be more than 16 bytes'],
  },
  {
    name: 'an idle timeout that is too short',
    object: ingest({ idleTimeout: '500ms' }),
    refused: ['spec.ingest.idleTimeout: Invalid value: "500ms": must lie between 1s and 1h'],
  },
  {
    name: 'an idle timeout that is too long',
    object: ingest({ idleTimeout: '1h1s' }),
    refused: ['spec.ingest.idleTimeout: Invalid value: "1h1s": must lie between 1s and 1h'],
  },
  {
    name: 'an SRT latency that is too short',
    object: ingest({ srt: { latency: '10ms' } }),
    refused: ['spec.ingest.srt.latency: Invalid value: "10ms": must lie between 20ms and 30s'],
  },
  {
    name: 'an SRT latency that is too long',
    object: ingest({ srt: { latency: '31s' } }),
    refused: ['spec.ingest.srt.latency: Invalid value: "31s": must lie between 20ms and 30s'],
  },
  {
    name: 'an SRT latency without a unit',
    object: ingest({ srt: { latency: '120' } }),
    refused: ['spec.ingest.srt.latency: Invalid value: "120": has no unit: write 120s or 120ms'],
  },
  {
    name: 'an encryption that does not exist',
    object: ingest({ srt: { encryption: 'Preferred' } }),
    refused: [
      'spec.ingest.srt.encryption: Unsupported value: "Preferred": supported values: "Required", "Optional", "Disabled"',
    ],
  },
  {
    name: 'a key length in bits',
    object: ingest({ srt: { keyLength: 256 } }),
    refused: ['spec.ingest.srt.keyLength: Unsupported value: 256: supported values: "16", "24", "32"'],
  },
  {
    name: 'a key length as text',
    object: ingest({ srt: { keyLength: '32' } }),
    refused: [
      'spec.ingest.srt.keyLength: Invalid value: "string": spec.ingest.srt.keyLength in body must be of type integer: "string"',
      'spec.ingest.srt.keyLength: Unsupported value: "32": supported values: "16", "24", "32"',
    ],
  },
  {
    name: 'a dedicated port without SRT',
    object: ingest({ protocols: ['RTMP'], dedicatedPort: true }),
    refused: [
      'spec.ingest: Invalid value: dedicatedPort is a port for SRT: add SRT to protocols, or leave dedicatedPort out',
    ],
  },
  {
    name: 'a dedicated port as a number',
    object: ingest({ dedicatedPort: 20000 }),
    refused: [
      'spec.ingest.dedicatedPort: Invalid value: "integer": spec.ingest.dedicatedPort in body must be of type boolean: "integer"',
    ],
  },
  {
    name: 'SRT settings without SRT',
    object: ingest({ protocols: ['RTMP', 'RTMPS'], srt: { latency: '1s' } }),
    refused: ['spec.ingest: Invalid value: srt has no effect without SRT: add SRT to protocols, or leave srt out'],
  },
  {
    name: 'a secretRef without a name',
    object: stream({ credentials: { secretRef: {} } }),
    refused: ['spec.credentials.secretRef.name: Required value'],
  },
  {
    name: 'a secretRef with an empty name',
    object: stream({ credentials: { secretRef: { name: '' } } }),
    refused: [`spec.credentials.secretRef.name: Invalid value: "": ${NO_NAME}`],
  },
  {
    name: 'a secretRef in another namespace',
    object: stream({ credentials: { secretRef: { name: 'team-b/mine' } } }),
    refused: [`spec.credentials.secretRef.name: Invalid value: "team-b/mine": ${NO_NAME}`],
  },
  {
    name: 'a secretRef with a namespace',
    object: stream({ credentials: { secretRef: { name: 'mine', namespace: 'team-b' } } }),
    refused: [
      'LiveStream in version "v1alpha1" cannot be handled as a LiveStream: strict decoding error: unknown field "spec.credentials.secretRef.namespace"',
    ],
  },
  {
    name: 'a secretRef as text',
    object: stream({ credentials: { secretRef: 'mine' } }),
    refused: [
      'spec.credentials.secretRef: Invalid value: "string": spec.credentials.secretRef in body must be of type object: "string"',
    ],
  },
  {
    name: 'a rotation of keys of one’s own',
    object: stream({ credentials: { secretRef: { name: 'mine' }, rotation: { generation: 1 } } }),
    refused: [
      'spec.credentials: Invalid value: rotation.generation is for generated keys: with secretRef, edit that Secret to rotate',
    ],
  },
  {
    name: 'a negative generation',
    object: stream({ credentials: { rotation: { generation: -1 } } }),
    refused: [
      'spec.credentials.rotation.generation: Invalid value: -1: spec.credentials.rotation.generation in body should be greater than or equal to 0',
    ],
  },
  {
    name: 'a generation that is no whole number',
    object: stream({ credentials: { rotation: { generation: 1.5 } } }),
    refused: [
      'spec.credentials.rotation.generation: Invalid value: "number": spec.credentials.rotation.generation in body must be of type integer: "number"',
    ],
  },
  {
    name: 'a generation that is too large',
    object: stream({ credentials: { rotation: { generation: 2147483648 } } }),
    refused: [
      'spec.credentials.rotation.generation: Invalid value: 2147483648: spec.credentials.rotation.generation in body should be less than or equal to 2147483647',
    ],
  },
  {
    name: 'an overlap without a unit',
    object: stream({ credentials: { rotation: { overlap: '24' } } }),
    refused: ['spec.credentials.rotation.overlap: Invalid value: "24": has no unit: write 24s or 24ms'],
  },
  {
    name: 'an overlap of more than 30 days',
    object: stream({ credentials: { rotation: { overlap: '721h' } } }),
    refused: ['spec.credentials.rotation.overlap: Invalid value: "721h": must lie between 0s and 720h'],
  },
  {
    name: 'revokePrevious as text',
    object: stream({ credentials: { rotation: { revokePrevious: 'true' } } }),
    refused: [
      'spec.credentials.rotation.revokePrevious: Invalid value: "string": spec.credentials.rotation.revokePrevious in body must be of type boolean: "string"',
    ],
  },
  {
    name: 'playback over a protocol that does not exist',
    object: stream({ playback: { protocols: ['HLS'] } }),
    refused: ['spec.playback.protocols[0]: Unsupported value: "HLS": supported values: "RTMP", "SRT", "HTTPFLV"'],
  },
  {
    name: 'no playback protocol',
    object: stream({ playback: { protocols: [] } }),
    refused: [
      'spec.playback.protocols: Invalid value: 0: spec.playback.protocols in body should have at least 1 items',
    ],
  },
  {
    name: 'a viewer limit, which does not exist yet',
    object: stream({ playback: { maxViewers: 500 } }),
    refused: [
      'LiveStream in version "v1alpha1" cannot be handled as a LiveStream: strict decoding error: unknown field "spec.playback.maxViewers"',
    ],
  },
  {
    name: 'a push target, which does not exist yet',
    object: stream({ push: [{ url: 'rtmp://example.com/live' }] }),
    refused: [
      'LiveStream in version "v1alpha1" cannot be handled as a LiveStream: strict decoding error: unknown field "spec.push"',
    ],
  },
];
