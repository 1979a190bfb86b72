import { join } from 'node:path';
import { cached } from '../setup/cache.ts';
import { type ClipName, clip } from './clips.ts';
import { type FfmpegVersion, runFfmpeg } from './ffmpeg.ts';

const PACKET_BYTES = 188;
/** Not announced in any table, so that nobody between source and viewer knows what it is. */
const PRIVATE_PID = 500;
const PRIVATE_EVERY = 20;

/** A clip as an MPEG transport stream; makes it the first time. */
export async function tsClip(name: ClipName, version: FfmpegVersion = 'ffmpeg'): Promise<string> {
  const args = ['-map', '0', '-c', 'copy', '-f', 'mpegts'];
  const source = await clip(name);
  const dir = await cached({ name: `ts-${name}`, recipe: JSON.stringify([source, args, version]) }, async (folder) => {
    await runFfmpeg(['-i', source, ...args, join(folder, `${name}.ts`)], { version });
  });
  return join(dir, `${name}.ts`);
}

/** The same stream with packets of a private kind between the others, each of them different. */
export function withPrivatePackets(stream: Buffer): Buffer {
  const packets: Buffer[] = [];
  for (let at = 0, count = 0; at < stream.length; at += PACKET_BYTES, count++) {
    packets.push(stream.subarray(at, at + PACKET_BYTES));
    if (count % PRIVATE_EVERY === PRIVATE_EVERY - 1) packets.push(privatePacket(count));
  }
  return Buffer.concat(packets);
}

function privatePacket(count: number): Buffer {
  const packet = Buffer.alloc(PACKET_BYTES, 0xff);
  packet[0] = 0x47;
  packet.writeUInt16BE(0x4000 | PRIVATE_PID, 1);
  packet[3] = 0x10 | (Math.floor(count / PRIVATE_EVERY) % 16);
  packet.writeUInt32BE(count, 4);
  return packet;
}
