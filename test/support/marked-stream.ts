import type { MediaMessage } from '../../ingest/protocol/rtmp/media-message.ts';
import { type MarkedOptions, markedCycle } from './marked-media.ts';

/** Metadata, headers, then marked media without end, times going on: 1280×720 in name, small in bytes. */
export function* markedStream(options: MarkedOptions = {}): Generator<MediaMessage> {
  const cycle = markedCycle({ bitsPerSecond: 400_000, ...options });
  for (const header of cycle.headers) yield header;
  for (let base = 0; ; base += cycle.durationMs) {
    for (const frame of cycle.frames) yield { ...frame, timestamp: base + frame.timestamp };
  }
}
