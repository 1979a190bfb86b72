import { tool } from '../setup/tools.ts';
import { ffmpeg, type PublishOptions } from './ffmpeg.ts';
import { type ProcessOptions, start, type TestProcess } from './process.ts';
import { srtUrl } from './server.ts';
import { waitFor } from './wait-for.ts';

/** How libsrt says in its log (level note, or ffmpeg's standard error) that it was refused. */
const REJECTION = /REJECT reported from HS processing: (.*?) - not processing/;

/**
 * Publishes a file as it is over SRT, in MPEG-TS: the command of the walk-through. But that libsrt is to send what it has when it is
 * closed, which it drops otherwise. (1.5.7, which is in ffmpeg 9, says no goodbye then: its last messages are lost in any case.)
 */
export function publishSrt(file: string, url: string, options: PublishOptions = {}): TestProcess {
  const rate = options.rate ?? 1;
  const pace = rate === 0 ? [] : rate === 1 ? ['-re'] : ['-readrate', String(rate)];
  const args = [...pace, ...(options.input ?? []), '-i', file, '-map', '0', '-c', 'copy', ...(options.output ?? [])];
  const linger = options.version === 'ffmpeg9' ? '' : `${url.includes('?') ? '&' : '?'}linger=5`;
  return ffmpeg([...args, '-f', 'mpegts', `${url}${linger}`], options);
}

/** `srt-live-transmit SOURCE TARGET`. It ends with 0 whatever happens; with `-a:no` it ends when its connection does. */
export function srtLiveTransmit(
  source: string,
  target: string,
  { args = [], ...options }: ProcessOptions & { readonly args?: readonly string[] } = {},
): TestProcess {
  return start(tool('srt-live-transmit'), ['-loglevel', 'note', ...args, source, target], options);
}

/** A SRT caller of GStreamer's: plays a path into a file. */
export function gstSrtPlay(port: number, streamId: string, file: string): TestProcess {
  const source = ['srtsrc', `uri=${srtUrl(port, {})}`, `streamid=${streamId}`, 'mode=caller'];
  return start(tool('gst-launch-1.0'), ['-q', ...source, '!', 'filesink', `location=${file}`]);
}

/** A SRT caller of GStreamer's: publishes an MPEG-TS file, in real time by its clock. */
export function gstSrtPublish(file: string, port: number, streamId: string): TestProcess {
  const read = ['filesrc', `location=${file}`, '!', 'tsparse', 'set-timestamps=true', '!'];
  const sink = ['srtsink', `uri=${srtUrl(port, {})}`, `streamid=${streamId}`, 'mode=caller', 'sync=true'];
  return start(tool('gst-launch-1.0'), ['-q', ...read, ...sink]);
}

/**
 * Waits until a program of libsrt's says that it was refused; why, in libsrt's words. Its end is not waited for: srt-live-transmit misses now
 * and then that its connection failed, and stays.
 */
export async function refusalOf(child: TestProcess): Promise<string> {
  const said = await waitFor(`${child.name} to be refused`, () => REJECTION.exec(child.stderr + child.stdout));
  return said[1]!;
}
