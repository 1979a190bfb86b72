import { HANDSHAKE_FLAGS, type HsBlock, parseExtensions } from './handshake-extension.ts';
import { extensionsOf, type Handshake } from './handshake-packet.ts';
import { MIN_MTU, MIN_PEER_VERSION } from './live-mode.ts';
import { timestampOf } from './packet.ts';
import { RefusedHandshake } from './rejection.ts';

/** A caller that repeated its cookie and wants what we do; who it is, is for others to judge. */
export interface ConnectionRequest {
  readonly address: string;
  readonly port: number;
  readonly peerSocketId: number;
  readonly handshake: Handshake;
  readonly hs: HsBlock;
  /** As it came; empty where there was none. May hold secrets. */
  readonly streamId: string;
  /** Undefined: the caller has no passphrase. */
  readonly keyMessage: Buffer | undefined;
  /** Of the conclusion, µs of the caller's clock. */
  readonly peerTimestamp: number;
  /** Our `now` when it came, µs. */
  readonly arrivedAt: number;
  /** Our `now` when the caller last repeated it: callers do so four times a second while they wait. */
  lastSeenAt: number;
}

/**
 * Reads a conclusion whose cookie is right.
 * @throws RefusedHandshake for what is malformed or not served: version 4, file mode, packet filters, groups, a stream id too long.
 */
export function parseConnectionRequest(
  datagram: Buffer,
  handshake: Handshake,
  from: { readonly address: string; readonly port: number },
  now: number,
): ConnectionRequest {
  if (handshake.version < 5) {
    throw new RefusedHandshake('ERR_SRT_VERSION', 'version', `handshake version ${handshake.version}; 5 is wanted`);
  }
  checkFixedPart(handshake);
  // The flags of the extension field are not needed to read the blocks, but without any there is none.
  if (handshake.extension === 0) throw malformed('it has no blocks');
  const { hs, key, streamId, congestion, packetFilter, group } = parseExtensions(extensionsOf(datagram), 'request');
  if (hs === undefined) throw malformed('it has no SRT block');
  if (hs.version < MIN_PEER_VERSION) {
    throw new RefusedHandshake(
      'ERR_SRT_VERSION',
      'rogue',
      `SRT version ${hs.version.toString(16)}; 1.3.0 is the first`,
    );
  }
  if ((hs.flags & HANDSHAKE_FLAGS.stream) !== 0) {
    throw new RefusedHandshake('ERR_SRT_FILE_MODE', 'messageApi', 'the caller wants a stream of bytes, not live mode');
  }
  if (congestion !== undefined && congestion !== 'live') {
    throw new RefusedHandshake('ERR_SRT_FILE_MODE', 'congestion', 'the congestion control is not live');
  }
  if (packetFilter) {
    throw new RefusedHandshake('ERR_SRT_PACKET_FILTER', 'filter', 'the caller wants forward error correction');
  }
  if (group) throw new RefusedHandshake('ERR_SRT_GROUP', 'group', 'the caller wants a group of connections');
  return {
    ...from,
    peerSocketId: handshake.socketId,
    handshake,
    hs,
    streamId: streamId ?? '',
    // The datagram may be a view of a larger buffer; the request can wait for seconds.
    keyMessage: key && Buffer.from(key),
    peerTimestamp: timestampOf(datagram),
    arrivedAt: now,
    lastSeenAt: now,
  };
}

function checkFixedPart({ initialSequence, mtu, flowWindow }: Handshake): void {
  if (initialSequence > 0x7fff_ffff) throw malformed(`initial sequence number ${initialSequence}`);
  if (mtu < MIN_MTU) throw malformed(`an MTU of ${mtu} bytes`);
  if (flowWindow < 2) throw malformed(`a flow window of ${flowWindow} packets`);
}

function malformed(what: string): RefusedHandshake {
  return new RefusedHandshake('ERR_SRT_HANDSHAKE', 'rogue', `conclusion: ${what}`);
}
