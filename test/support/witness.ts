import { ALL_FORMATS, EncodedPacketSink, FilePathSource, Input } from 'mediabunny';

/** What mediabunny, which shares no code with us or with ffmpeg, reads in a file. Times in seconds. */
export interface Witnessed {
  readonly type: 'video' | 'audio' | 'subtitle';
  readonly codec: string | null;
  readonly packets: number;
  readonly firstIsKey: boolean;
  readonly firstTimestamp: number;
  readonly width?: number;
  readonly height?: number;
}

/** Reads every packet of every track. @throws Error when it finds the file malformed. */
export async function witness(file: string): Promise<Witnessed[]> {
  using input = new Input({ source: new FilePathSource(file), formats: ALL_FORMATS });
  const found: Witnessed[] = [];
  for (const track of await input.getTracks()) {
    let packets = 0;
    let first: { key: boolean; timestamp: number } | undefined;
    for await (const packet of new EncodedPacketSink(track).packets()) {
      first ??= { key: packet.type === 'key', timestamp: packet.timestamp };
      packets++;
    }
    found.push({
      type: track.type,
      codec: await track.getCodec(),
      packets,
      firstIsKey: first?.key ?? false,
      firstTimestamp: first?.timestamp ?? Number.NaN,
      ...(track.isVideoTrack() && { width: await track.getDisplayWidth(), height: await track.getDisplayHeight() }),
    });
  }
  return found;
}
