import { ALL_FORMATS, BufferSource, EncodedPacketSink, Input } from 'mediabunny';
import type { Disk } from '../../ingest/spool/disk.ts';
import type { QueuedPublication } from '../../ingest/spool/spool-queue.ts';
import { drawnNumber } from './drawn-media.ts';

/** A packet as mediabunny reads it. */
export interface ReadPacket {
  readonly type: string;
  readonly ms: number;
  readonly durationMs: number;
  readonly key: boolean;
  readonly data: Uint8Array;
  readonly number: number | undefined;
}

/** Every packet of a fragmented MP4 file, track by track. */
export async function packetsOf(bytes: Buffer): Promise<ReadPacket[]> {
  using input = new Input({ source: new BufferSource(bytes), formats: ALL_FORMATS });
  const found: ReadPacket[] = [];
  for (const track of await input.getTracks()) {
    for await (const { timestamp, duration, type, data } of new EncodedPacketSink(track).packets()) {
      const [ms, durationMs] = [Math.round(timestamp * 1000), Math.round(duration * 1000)];
      found.push({ type: track.type, ms, durationMs, key: type === 'key', data, number: drawnNumber(data) });
    }
  }
  return found;
}

/** The packets of each segment that waits in the spool. */
export function segmentsOf(disk: Disk, publication: QueuedPublication): Promise<ReadPacket[][]> {
  return Promise.all(publication.pending.map(async ({ file }) => packetsOf(await disk.readAll(file))));
}
