/** One packet or decoded frame of ffmpeg's framemd5 output. Times in milliseconds, unrounded. */
export interface HashedFrame {
  readonly stream: number;
  readonly dts: number;
  readonly pts: number;
  readonly size: number;
  readonly hash: string;
}

/** Parses `-f framemd5`: `#tb <stream>: <num>/<den>` lines, then `stream, dts, pts, duration, size, hash`. */
export function parseFrameMd5(text: string): HashedFrame[] {
  const frames: HashedFrame[] = [];
  const timeBases = new Map<number, number>();
  for (const line of text.split('\n')) {
    const base = /^#tb (\d+): (\d+)\/(\d+)/.exec(line);
    if (base) timeBases.set(Number(base[1]), (1000 * Number(base[2])) / Number(base[3]));
    if (line === '' || line.startsWith('#')) continue;
    const fields = line.split(',').map((field) => field.trim());
    const stream = Number(fields[0]);
    const toMs = timeBases.get(stream);
    if (toMs === undefined || fields.length < 6) throw new Error(`not a framemd5 line: ${line}`);
    frames.push({
      stream,
      dts: Number(fields[1]) * toMs,
      pts: Number(fields[2]) * toMs,
      size: Number(fields[4]),
      hash: fields[5]!,
    });
  }
  return frames;
}
