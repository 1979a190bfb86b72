/** One packet or decoded frame of ffmpeg's framemd5 output. Times in milliseconds, unrounded. */
export interface HashedFrame {
  readonly stream: number;
  readonly type: 'video' | 'audio' | 'data';
  readonly dts: number;
  readonly pts: number;
  readonly size: number;
  readonly hash: string;
}

/** Parses `-f framemd5`: `#tb <stream>: <num>/<den>` and `#media_type <stream>: <type>` lines, then `stream, dts, pts, duration, size, hash`. */
export function parseFrameMd5(text: string): HashedFrame[] {
  const frames: HashedFrame[] = [];
  const streams = new Map<number, { toMs: number; type: HashedFrame['type'] }>();
  for (const line of text.split('\n')) {
    const base = /^#tb (\d+): (\d+)\/(\d+)/.exec(line);
    if (base) streams.set(Number(base[1]), { toMs: (1000 * Number(base[2])) / Number(base[3]), type: 'data' });
    const media = /^#media_type (\d+): (video|audio)/.exec(line);
    if (media) streams.get(Number(media[1]))!.type = media[2] as HashedFrame['type'];
    if (line === '' || line.startsWith('#')) continue;
    const fields = line.split(',').map((field) => field.trim());
    const stream = streams.get(Number(fields[0]));
    if (!stream || fields.length < 6) throw new Error(`not a framemd5 line: ${line}`);
    frames.push({
      stream: Number(fields[0]),
      type: stream.type,
      dts: Number(fields[1]) * stream.toMs,
      pts: Number(fields[2]) * stream.toMs,
      size: Number(fields[4]),
      hash: fields[5]!,
    });
  }
  return frames;
}
