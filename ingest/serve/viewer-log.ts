import type { TrackSelection } from '../adapt/media-to-rtmp.ts';
import { hasTsMapping } from '../adapt/media-to-ts.ts';
import { type ConfigEvent, isVideoTrack, trackId } from '../media/media-event.ts';
import type { Headers } from '../relay/batch.ts';
import type { Log } from '../runtime/log.ts';

/** The sequence headers that a viewer of these tracks is sent. */
export function sequenceHeaders(headers: Headers, selection: TrackSelection): readonly ConfigEvent[] {
  const configs = headers.filter((header) => header.kind === 'config');
  return selection === 'full' ? configs : configs.filter(({ track }) => trackId(track) === 0);
}

/** Says which sequence headers a viewer was sent. */
export function logHeadersSent(log: Log, headers: readonly ConfigEvent[]): void {
  for (const { track, flvBody, record } of headers) {
    const size = flvBody?.length ?? record.length;
    if (isVideoTrack(track)) log.info({ size }, 'Sent cached video sequence header to subscriber');
    else log.info({ size }, 'Sent cached audio sequence header to subscriber');
  }
}

/** Codecs that plain FLV has numbers for. */
const PLAIN_FLV_CODECS: readonly unknown[] = ['h264', 'aac', 'mp3'];

/** Whether any of these can be sent only with the FourCC codes of Enhanced RTMP. */
export function needsFourCc(headers: readonly ConfigEvent[]): boolean {
  return headers.some(({ codec }) => typeof codec === 'string' && !PLAIN_FLV_CODECS.includes(codec));
}

/** Those of them that a transport stream has no form for, by codec. */
export function withoutTsForm(headers: readonly ConfigEvent[]): string[] {
  return headers
    .filter((header) => !hasTsMapping(header))
    .map(({ codec }) => (typeof codec === 'string' ? codec : 'other'));
}
