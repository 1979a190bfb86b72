import { isVideoTrack } from '../media/media-event.ts';
import type { Headers } from '../relay/batch.ts';
import type { Log } from '../runtime/log.ts';

/** Says which sequence headers a viewer was sent. */
export function logHeadersSent(log: Log, headers: Headers): void {
  for (const header of headers) {
    if (header.kind !== 'config') continue;
    const size = header.flvBody?.length ?? header.record.length;
    if (isVideoTrack(header.track)) log.info({ size }, 'Sent cached video sequence header to subscriber');
    else log.info({ size }, 'Sent cached audio sequence header to subscriber');
  }
}

/** Codecs that plain FLV has numbers for. */
const PLAIN_FLV_CODECS: readonly unknown[] = ['h264', 'aac', 'mp3'];

/** Whether any of these can be sent only with the FourCC codes of Enhanced RTMP. */
export function needsFourCc(headers: Headers): boolean {
  return headers.some(
    (header) =>
      header.kind === 'config' && typeof header.codec === 'string' && !PLAIN_FLV_CODECS.includes(header.codec),
  );
}
