import { createHmac, randomBytes } from 'node:crypto';
import { ProtocolError } from '../protocol-error.ts';

/** `digest`: the peer proved that it knows Adobe's key ("complex" handshake), and was given the like. */
export type HandshakeScheme = 'simple' | 'digest';

const VERSION = 3;
const PACKET_BYTES = 1536;
const DIGEST_BYTES = 32;
/** S1 of the digest handshake names a server version; ffmpeg checks digests only if its first byte is 3 or more. */
const SERVER_VERSION = Buffer.from([4, 5, 0, 1]);

const KEY_TAIL = Buffer.from('f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae', 'hex');
const CLIENT_KEY = Buffer.from('Genuine Adobe Flash Player 001');
const SERVER_KEY = Buffer.from('Genuine Adobe Flash Media Server 001');
const FULL_SERVER_KEY = Buffer.concat([SERVER_KEY, KEY_TAIL]);

/** Where the four bytes stand whose sum places the digest, in the two layouts of C1 and S1: key first, or digest first. */
const DIGEST_POINTERS = [772, 8] as const;

/**
 * The server's side of the handshake (RTMP 1.0 §5.2), simple or digest, whichever the client began.
 *
 *   C0 (1 byte) C1 (1536) →        ← S0 S1 S2, at once: clients read all of it before they send C2
 *   C2 (1536), not checked: nobody's is to be relied on →
 */
export class ServerHandshake {
  readonly #send: (bytes: Buffer) => void;
  readonly #random: (size: number) => Buffer;
  readonly #packet = Buffer.allocUnsafe(PACKET_BYTES);
  #phase: 'C0' | 'C1' | 'C2' = 'C0';
  #filled = 0;
  #scheme: HandshakeScheme = 'simple';

  constructor(send: (bytes: Buffer) => void, random: (size: number) => Buffer = randomBytes) {
    this.#send = send;
    this.#random = random;
  }

  /** Known once the handshake is over. */
  get scheme(): HandshakeScheme {
    return this.#scheme;
  }

  /**
   * Takes the next bytes; returns the offset of the first one after the handshake, or -1 while it is not over.
   * @throws ProtocolError ERR_RTMP_NOT_RTMP.
   */
  receive(bytes: Buffer): number {
    let at = 0;
    if (this.#phase === 'C0') {
      if (bytes.length === 0) return -1;
      const version = bytes[at] as number;
      if (version !== VERSION) throw new ProtocolError('ERR_RTMP_NOT_RTMP', whatItSpeaks(version));
      at = 1;
      this.#phase = 'C1';
    }
    if (this.#phase === 'C1') {
      const take = bytes.copy(this.#packet, this.#filled, at);
      this.#filled += take;
      at += take;
      if (this.#filled < PACKET_BYTES) return -1;
      this.#reply(this.#packet);
      this.#filled = 0;
      this.#phase = 'C2';
    }
    const skip = Math.min(PACKET_BYTES - this.#filled, bytes.length - at);
    this.#filled += skip;
    return this.#filled < PACKET_BYTES ? -1 : at + skip;
  }

  #reply(c1: Buffer): void {
    const reply = this.#random(1 + 2 * PACKET_BYTES);
    const s1 = reply.subarray(1, 1 + PACKET_BYTES);
    const s2 = reply.subarray(1 + PACKET_BYTES);
    reply[0] = VERSION;
    s1.writeUInt32BE(0, 0);
    // Clients of the simple handshake send 0 as their version.
    const found = c1.readUInt32BE(4) === 0 ? undefined : findDigest(c1, CLIENT_KEY);
    if (found === undefined) {
      // Must be 0: with a version here ffmpeg looks for a digest.
      s1.writeUInt32BE(0, 4);
      c1.copy(s2);
    } else {
      this.#scheme = 'digest';
      SERVER_VERSION.copy(s1, 4);
      const at = digestOffset(s1, found.pointer);
      digestOf(s1, at, SERVER_KEY).copy(s1, at);
      const key = hmac(FULL_SERVER_KEY, found.digest);
      hmac(key, s2.subarray(0, PACKET_BYTES - DIGEST_BYTES)).copy(s2, PACKET_BYTES - DIGEST_BYTES);
    }
    this.#send(reply);
  }
}

/** The digest in C1, and in which layout it was found. */
function findDigest(packet: Buffer, key: Buffer): { digest: Buffer; pointer: number } | undefined {
  for (const pointer of DIGEST_POINTERS) {
    const at = digestOffset(packet, pointer);
    const digest = packet.subarray(at, at + DIGEST_BYTES);
    if (digestOf(packet, at, key).equals(digest)) return { digest, pointer };
  }
  return undefined;
}

function digestOffset(packet: Buffer, pointer: number): number {
  let sum = 0;
  for (let i = 0; i < 4; i += 1) sum += packet[pointer + i] as number;
  return pointer + 4 + (sum % 728);
}

/** Of the packet without the 32 bytes the digest itself takes. */
function digestOf(packet: Buffer, at: number, key: Buffer): Buffer {
  return createHmac('sha256', key)
    .update(packet.subarray(0, at))
    .update(packet.subarray(at + DIGEST_BYTES))
    .digest();
}

function hmac(key: Buffer, data: Buffer): Buffer {
  return createHmac('sha256', key).update(data).digest();
}

/** What to tell someone whose first byte is not RTMP's. */
function whatItSpeaks(first: number): string {
  if (first === 0x16) {
    return 'the peer speaks TLS (rtmps:// or https://), this port is for rtmp://; --tls-listen opens a port for rtmps://';
  }
  if (first === 6 || first === 8 || first === 9) {
    return `the peer asks for RTMPE (version ${first}), which is obsolete and insecure; use rtmp:// or rtmps://`;
  }
  if (first >= 0x20) return 'the peer sends text, perhaps HTTP; this port is for rtmp://';
  return `RTMP version ${first} is not known, only 3 is`;
}
