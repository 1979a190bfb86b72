import { RtmpToMedia } from '../../ingest/adapt/rtmp-to-media.ts';
import { isVideoTrack, type MediaEvent, msOfTicks, type Track, trackId } from '../../ingest/media/media-event.ts';

export type Message = readonly [type: 8 | 9 | 18, timestamp: number, body: Buffer];

/** What an adapter makes of messages that arrive as their timestamps say. */
export function run(messages: readonly Message[]): { events: MediaEvent[]; skipped: string[] } {
  const events: MediaEvent[] = [];
  const skipped: string[] = [];
  const adapter = new RtmpToMedia(
    { onEvent: (event) => events.push(event) },
    { onSkipped: (code) => skipped.push(code) },
  );
  for (const [type, timestamp, body] of messages) adapter.push({ type, timestamp, body }, timestamp);
  return { events, skipped };
}

const name = (track: Track): string => `${isVideoTrack(track) ? 'v' : 'a'}${trackId(track)}`;

/** An event in one line: `v0 config h264`, `v0 K 40+80` (DTS and composition time), `a0 20`. */
export function line(event: MediaEvent): string {
  switch (event.kind) {
    case 'config':
      return `${name(event.track)} config ${typeof event.codec === 'string' ? event.codec : event.codec.unknown}`;
    case 'frame': {
      const cts = msOfTicks(event.pts) - msOfTicks(event.dts);
      const mark = isVideoTrack(event.track) ? (event.key ? ' K' : ' p') : '';
      return `${name(event.track)}${mark} ${msOfTicks(event.dts)}${cts === 0 ? '' : `+${cts}`}`;
    }
    case 'trackMetadata':
      return `${name(event.track)} metadata`;
    case 'gap':
      return `gap ${event.cause} ${msOfTicks(event.from)}-${msOfTicks(event.to)}`;
    case 'opaque':
      return `opaque ${msOfTicks(event.dts)}`;
    case 'metadata':
      return `metadata ${[...event.values.keys()].join()}`;
    case 'end':
      return `end ${event.cause}`;
  }
}
/** The events, each in one line. */
export const lines = (messages: readonly Message[]): string[] => run(messages).events.map(line);
