import { Fault } from '../runtime/fault.ts';

/** Every way a peer can break its protocol: what is done about it, and what it means. docs/errors.md is made from this table. */
export const PROTOCOL_FAULTS = {
  ERR_RTMP_NOT_RTMP: {
    action: 'close',
    meaning:
      'The first byte of the connection is not 3: the peer speaks HTTP, TLS, RTMPE or something else. The message says which.',
  },
  ERR_RTMP_CHUNK_STREAMS: {
    action: 'close',
    meaning: 'The peer used more chunk streams than `limits.chunkStreams` allows.',
  },
  ERR_RTMP_CHUNK_HEADER: {
    action: 'close',
    meaning:
      'A chunk refers to an earlier one of its chunk stream, but there was none: the bytes are not RTMP, or some are missing.',
  },
  ERR_RTMP_CHUNK_SIZE: {
    action: 'close',
    meaning: 'The peer announced a chunk size outside `limits.chunkSizeMin` … `limits.chunkSizeMax`.',
  },
  ERR_RTMP_MESSAGE_TOO_LARGE: {
    action: 'close',
    meaning:
      'A message claims more bytes than its type may have: `limits.messageBytes`, `limits.metadataBytes` or `limits.commandBytes`.',
  },
  ERR_RTMP_PARTIAL_TOO_LARGE: {
    action: 'close',
    meaning:
      'The unfinished messages of one connection hold more bytes than `limits.partialBytes`, or than 1 MiB where it does not publish.',
  },
  ERR_RTMP_CONTROL: {
    action: 'close',
    meaning: 'A protocol control message that changes how bytes are read is too short.',
  },
  ERR_RTMP_COMMAND: {
    action: 'close',
    meaning:
      'A command the session cannot go on without (connect, publish, play) lacks its arguments or came out of order.',
  },
  ERR_RTMP_BAD_PATH: {
    action: 'close',
    meaning:
      'The stream path made of app and stream key is empty, too long, or holds `..`, control characters or other characters a path may not have. The message says what to change.',
  },
  ERR_RTMP_STREAMS: {
    action: 'close',
    meaning: 'The peer created more message streams on one connection than a session allows.',
  },
  ERR_RTMP_FLOOD: {
    action: 'close',
    meaning:
      'A publisher sent more media than a session keeps before it was told that it may publish; or a peer goes on asking and does not read the answers, or sends thousands of messages that mean nothing.',
  },
  ERR_RTMP_DISCARDED: {
    action: 'skip',
    meaning: 'A message was aborted, or begun anew, before all of it had come.',
  },
  ERR_RTMP_UNKNOWN_MESSAGE: {
    action: 'skip',
    meaning: 'A message of a type that is not served: a shared object, or a number nobody defined.',
  },
  ERR_RTMP_UNREADABLE_COMMAND: {
    action: 'skip',
    meaning: 'A command without a name, or one that its arguments make meaningless.',
  },
  ERR_RTMP_SECOND_STREAM: {
    action: 'skip',
    meaning:
      'A client asked to publish or play while it did so already, or to play on another message stream than its first. It was refused.',
  },
  ERR_RTMP_STRAY_MEDIA: {
    action: 'skip',
    meaning: 'Media on a message stream on which nothing is published.',
  },
  ERR_RTMP_AGGREGATE: {
    action: 'skip',
    meaning: 'An aggregate message holds a part that goes past its end, or is neither audio, video nor data.',
  },
  ERR_SRT_HANDSHAKE: {
    action: 'refuse',
    meaning:
      'An SRT handshake that is too short, holds values that cannot be (no socket id, an MTU or a flow window too small), lacks its SRT block, or has blocks that go past its end.',
  },
  ERR_SRT_VERSION: {
    action: 'refuse',
    meaning: 'The SRT caller speaks handshake version 4, or is older than SRT 1.3. Update its libsrt.',
  },
  ERR_SRT_RENDEZVOUS: {
    action: 'refuse',
    meaning: 'The SRT peer wants a rendezvous. Headwater is a listener: set the mode of the peer to caller.',
  },
  ERR_SRT_FILE_MODE: {
    action: 'refuse',
    meaning:
      'The SRT caller wants file mode (stream or message API, or another congestion control than `live`). Set its transmission type to live.',
  },
  ERR_SRT_PACKET_FILTER: {
    action: 'refuse',
    meaning:
      'The SRT caller wants forward error correction (a packet filter). Remove `packetfilter` there: lost packets are sent again.',
  },
  ERR_SRT_GROUP: {
    action: 'refuse',
    meaning: 'The SRT caller wants bonding (a socket group), which is not served.',
  },
  ERR_SRT_STREAM_ID: {
    action: 'refuse',
    meaning:
      'The SRT stream id names no path, is longer than 512 bytes, or holds `..`, control characters, a mode or a type that is not served. The message says what to change.',
  },
  ERR_SRT_UNSECURE: {
    action: 'refuse',
    meaning:
      'One side has a passphrase, the other has none: the SRT caller came without one where `encryption` is `Required`, or with one where no encryption is set up.',
  },
  ERR_SRT_BAD_SECRET: {
    action: 'refuse',
    meaning: "The SRT caller's passphrase is not the one of this path, or was replaced and has expired.",
  },
  ERR_SRT_CRYPTO_MODE: {
    action: 'refuse',
    meaning:
      'The SRT caller encrypts in a way that is not served: AES-GCM by the rules of SRT before 1.5.4, or a cipher nobody defined.',
  },
  ERR_SRT_KEY_MESSAGE: {
    action: 'refuse',
    meaning: 'An SRT key message is cut short or contradicts itself. During a connection it is answered and skipped.',
  },
  ERR_SRT_ACKNOWLEDGEMENT: {
    action: 'close',
    meaning: 'The SRT peer acknowledged packets that were never sent to it.',
  },
  ERR_SRT_LOSS_REPORT: {
    action: 'close',
    meaning: 'The SRT peer reported packets as lost that were never sent to it, or its report cannot be read.',
  },
  ERR_SRT_NO_ANSWER: { action: 'close', meaning: 'An SRT listener that was called did not answer in time.' },
  ERR_SRT_REFUSED: {
    action: 'close',
    meaning: 'An SRT listener that was called refused the connection. The message holds its reason.',
  },
  ERR_AMF_TRUNCATED: {
    action: 'skip',
    meaning: 'An AMF value ends in the middle. Commands and metadata that hold it are skipped.',
  },
  ERR_AMF_UNSUPPORTED: {
    action: 'skip',
    meaning: 'An AMF value has a type marker that does not exist, or a reference to a value that was never there.',
  },
  ERR_AMF_TOO_DEEP: { action: 'skip', meaning: 'AMF values are nested deeper than 32 levels.' },
  ERR_AMF_TOO_MANY: { action: 'skip', meaning: 'One AMF message holds more than 65,536 values.' },
  ERR_FLV_TRUNCATED: { action: 'skip', meaning: 'An audio or video message ends inside its header.' },
  ERR_FLV_UNSUPPORTED: {
    action: 'skip',
    meaning: 'An audio or video message has a codec or packet type that neither FLV nor Enhanced RTMP defines.',
  },
  ERR_FLV_MULTITRACK: {
    action: 'skip',
    meaning: 'A multitrack message is nested, has an unknown layout, or holds more tracks than there are ids.',
  },
  ERR_FLV_BAD_CONFIG: {
    action: 'skip',
    meaning: 'A codec configuration record is broken, so that no decoder could start with it.',
  },
  ERR_FLV_NO_CONFIG: {
    action: 'skip',
    meaning: 'A frame came for which no codec configuration was sent before it: it cannot be decoded.',
  },
  ERR_TS_SYNC_LOST: {
    action: 'skip',
    meaning: 'A transport packet did not begin with the sync byte: bytes were skipped up to the next that do.',
  },
  ERR_TS_CONTINUITY: {
    action: 'skip',
    meaning:
      'Packets of an elementary stream are missing, by its continuity counter: what they belong to was dropped, and the gap declared.',
  },
  ERR_TS_TABLE: {
    action: 'skip',
    meaning: 'A PAT or PMT is broken or its CRC is wrong, or the program changed more than 1,000 times.',
  },
  ERR_TS_PES: {
    action: 'skip',
    meaning: 'A PES packet has no readable header, has no time, ends too early or holds nothing of its codec.',
  },
  ERR_TS_UNIT_TOO_LARGE: {
    action: 'skip',
    meaning: 'A PES packet grew to 16 MiB without an end, or those of all PIDs to 64 MiB.',
  },
  ERR_TS_SCRAMBLED: { action: 'skip', meaning: 'Packets of an elementary stream are scrambled.' },
  ERR_TS_AUDIO_SYNC: {
    action: 'skip',
    meaning: 'An audio frame did not begin where the one before it ended: bytes were skipped up to the next that does.',
  },
  ERR_TS_NO_KEYFRAME: {
    action: 'skip',
    meaning: 'A picture came before the first keyframe with parameter sets: no decoder could start with it.',
  },
  ERR_TS_UNSUPPORTED: {
    action: 'skip',
    meaning: 'A form of an audio codec that nothing but a transport stream can carry.',
  },
  ERR_MATROSKA_LOST: {
    action: 'skip',
    meaning: 'Bytes of a Matroska stream were lost: all up to the next cluster was dropped, and the gap declared.',
  },
  ERR_MATROSKA_BROKEN: {
    action: 'skip',
    meaning:
      'An element of a Matroska stream cannot be read: all up to the next cluster was dropped, and the gap declared.',
  },
  ERR_MATROSKA_TOO_LARGE: {
    action: 'skip',
    meaning: 'A block of a Matroska stream has more than 16 MiB, or its description more than 1 MiB.',
  },
  ERR_MATROSKA_UNSUPPORTED: {
    action: 'skip',
    meaning:
      'A Matroska track has a codec that is not taken in this container (H.264 and H.265 come as MPEG-TS), is compressed, or laces its frames together.',
  },
  ERR_MATROSKA_NO_KEYFRAME: { action: 'skip', meaning: 'A picture came before the first keyframe.' },
} as const satisfies Record<string, ProtocolFaultSpec>;

/**
 * `close`: the connection ends. `refuse`: it does not come about, and the peer is told why. `skip`: the message is dropped and counted,
 * the connection goes on.
 */
export interface ProtocolFaultSpec {
  readonly action: 'close' | 'refuse' | 'skip';
  readonly meaning: string;
}

export type ProtocolFault = keyof typeof PROTOCOL_FAULTS;

/** A peer broke its protocol. `code` is stable and public (logs, metric label, tests); the message is not. */
export class ProtocolError extends Fault {
  override readonly name = 'ProtocolError';
  declare readonly code: ProtocolFault;
  readonly action: ProtocolFaultSpec['action'];

  constructor(code: ProtocolFault, detail: string, options?: ErrorOptions) {
    super(code, detail, options);
    this.action = PROTOCOL_FAULTS[code].action;
  }
}
