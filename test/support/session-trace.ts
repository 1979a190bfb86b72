import type { AmfValue } from '../../ingest/protocol/rtmp/amf-value.ts';
import { parseAmf0 } from '../../ingest/protocol/rtmp/amf0.ts';
import { ChunkReader } from '../../ingest/protocol/rtmp/chunk-reader.ts';
import type { RtmpLimits } from '../../ingest/protocol/rtmp/rtmp-limits.ts';
import { RtmpSession } from '../../ingest/protocol/rtmp/session.ts';
import type { RtmpSessionHandler } from '../../ingest/protocol/rtmp/session-handler.ts';

/** The limits of the default settings. */
export const TEST_LIMITS: RtmpLimits = {
  messageBytes: 0xff_ffff,
  commandBytes: 256 * 1024,
  metadataBytes: 1024 * 1024,
  partialBytes: 32 * 1024 * 1024,
  chunkStreams: 64,
  chunkSizeMin: 128,
  chunkSizeMax: 0xff_ffff,
};

/** Bytes of S0, S1 and S2. */
const HANDSHAKE_BYTES = 3073;

/** What a session said, as text, in order: one line for each call of its handler, and for each message it sent. */
export interface SessionTrace {
  readonly session: RtmpSession;
  readonly lines: string[];
  /** Lines since the last call. */
  take(): string[];
  /** Gives the session these pieces; a fault becomes a line with its code, after which nothing more is given. */
  receive(...pieces: readonly Buffer[]): void;
}

/** `decide`: what is done on a publish or play; by default they are accepted at once. */
export function traceSession(
  decide: (session: RtmpSession, what: 'publish' | 'play', streamId: number) => void = acceptAll,
): SessionTrace {
  const lines: string[] = [];
  let handshakeLeft = HANDSHAKE_BYTES;
  let taken = 0;
  let isDead = false;
  const sent = new ChunkReader(TEST_LIMITS, {
    onMessage: (type, streamId, _timestamp, body) => lines.push(`> ${describeMessage(type, streamId, body)}`),
    onDiscarded: () => lines.push('> discarded'),
  });
  const handler: RtmpSessionHandler = {
    send: (bytes) => {
      const skip = Math.min(handshakeLeft, bytes.length);
      handshakeLeft -= skip;
      if (bytes.length > skip) sent.receive(bytes, skip);
    },
    onHandshake: ({ scheme }) => lines.push(`handshake ${scheme}`),
    onConnect: (info) =>
      lines.push(
        `connect ${info.app} ${info.tcUrl} "${info.flashVer}" encoding ${info.objectEncoding} fourcc [${info.fourCcList}] caps ${info.capsEx}`,
      ),
    onPublish: (request) => {
      lines.push(`publish ${request.path} on ${request.streamId} as ${request.publishType}${secrets(request)}`);
      decide(session, 'publish', request.streamId);
    },
    onPlay: (request) => {
      lines.push(`play ${request.path} on ${request.streamId} from ${request.startSeconds}${secrets(request)}`);
      decide(session, 'play', request.streamId);
    },
    onMedia: ({ type, timestamp, body }) => {
      lines.push(`media ${type}@${timestamp}: ${body.subarray(0, 8).toString('hex')}/${body.length}`);
    },
    onStop: ({ streamId, cause }) => lines.push(`stop ${streamId} ${cause}`),
    onSkipped: (code) => lines.push(`skipped ${code}`),
  };
  const session = new RtmpSession(
    { limits: TEST_LIMITS, chunkSize: 65_536, random: (size) => Buffer.alloc(size, 0x2a) },
    handler,
  );
  return {
    session,
    lines,
    take: () => {
      const fresh = lines.slice(taken);
      taken = lines.length;
      return fresh;
    },
    receive: (...pieces) => {
      for (const piece of pieces) {
        if (isDead) return;
        try {
          session.receive(piece);
        } catch (error) {
          isDead = true;
          lines.push(`fault ${(error as { code?: string }).code ?? String(error)}`);
        }
      }
    },
  };
}

function acceptAll(session: RtmpSession, what: 'publish' | 'play', streamId: number): void {
  if (what === 'publish') session.acceptPublish(streamId);
  else session.acceptPlay(streamId);
}

function secrets({ query, credentials }: { query: ReadonlyMap<string, string>; credentials: object }): string {
  const all = { ...Object.fromEntries(query), ...credentials };
  return Object.keys(all).length === 0 ? '' : ` ${JSON.stringify(all)}`;
}

function describeMessage(type: number, streamId: number, body: Buffer): string {
  if (type === 4) return `event ${body.readUInt16BE()}(${body.readUInt32BE(2)})`;
  if (type < 8) return `control ${type}(${body.readUInt32BE()})`;
  return `${type === 20 ? '' : `type ${type} `}on ${streamId}: ${parseAmf0(body).map(describeValue).join(' ')}`;
}

function describeValue(value: AmfValue): string {
  if (value instanceof Map) {
    const code: AmfValue = value.get('code');
    return code === undefined ? `{${[...value.keys()].join(' ')}}` : `{${value.get('level')} ${code}}`;
  }
  return String(value);
}
