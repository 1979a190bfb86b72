import { readFile, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { complaintsOf, type FfmpegOptions, ffmpeg } from './ffmpeg.ts';
import { type HashedFrame, parseFrameMd5 } from './frame-md5.ts';
import { FILTERS, type PacketFilter } from './media-compare.ts';
import type { Exit, TestProcess } from './process.ts';
import { TempDir } from './temp-dir.ts';
import { waitFor } from './wait-for.ts';

export interface ViewerOptions extends FfmpegOptions {
  /** Options before `-i`. */
  readonly input?: readonly string[];
  /** Its output is not decoded, only its packets are hashed: for codecs that cost too much, or to be light. */
  readonly packetsOnly?: boolean;
  /** What packets pass before they are hashed, where the way they came adds to them; a transport stream does to sound as well. */
  readonly filter?: PacketFilter;
}

/** All that a viewer received. */
export interface Received {
  readonly exit: Exit;
  /** Packets as they came. */
  readonly video: readonly HashedFrame[];
  readonly audio: readonly HashedFrame[];
  /** Packets of anything else: text, data. */
  readonly other: readonly HashedFrame[];
  /** Decoded pictures, in display order. */
  readonly pictures: readonly HashedFrame[];
  /** Every warning and error of its demuxer and decoders. */
  readonly complaints: readonly string[];
}

/** ffmpeg as a viewer that hashes what it gets and what it decodes. */
export interface Viewer extends AsyncDisposable {
  readonly process: TestProcess;
  /** Waits until it has received something. */
  started(timeoutMs?: number): Promise<void>;
  /** Waits until it has ended by itself: the stream's end. */
  finished(timeoutMs?: number): Promise<Received>;
  /** Interrupts it and gives what it had by then. */
  leave(): Promise<Received>;
}

/** What ffmpeg says because it was interrupted. */
const INTERRUPTED = /Immediate exit requested|Error (muxing|closing|writing)/;

/** Starts to watch a URL. It waits for a publisher as long as the server lets it. */
export function watch(url: string, options: ViewerOptions = {}): Viewer {
  const dir = new TempDir('viewer');
  const packets = dir.join('packets.framemd5');
  const pictures = dir.join('pictures.framemd5');
  const flush = ['-flush_packets', '1', '-f', 'framemd5'];
  const filters = FILTERS[options.filter ?? 'raw'];
  const args = [...(options.input ?? []), '-i', url, '-map', '0', '-c', 'copy', ...filters, ...flush, packets];
  if (!options.packetsOnly) {
    args.push('-map', '0:v?', '-map', '0:a?', '-fps_mode', 'passthrough', ...flush, pictures);
  }
  const child = ffmpeg(args, options);
  const received = async (exit: Exit): Promise<Received> => {
    const all = parseFrameMd5(await readFile(packets, 'utf8').catch(() => ''));
    const decoded = options.packetsOnly ? [] : parseFrameMd5(await readFile(pictures, 'utf8').catch(() => ''));
    return {
      exit,
      video: all.filter((each) => each.type === 'video'),
      audio: all.filter((each) => each.type === 'audio'),
      other: all.filter((each) => each.type === 'data'),
      pictures: decoded.filter((each) => each.type === 'video'),
      complaints: complaintsOf(child),
    };
  };
  return {
    process: child,
    started: async (timeoutMs = 20_000) => {
      await waitFor(
        `a viewer of ${url} to receive media`,
        async () => {
          if (child.exit) throw new Error(`the viewer of ${url} ended:\n${child.stderr.slice(-2000)}`);
          return ((await stat(packets).catch(() => undefined))?.size ?? 0) > 0;
        },
        { timeoutMs },
      );
    },
    finished: async (timeoutMs = 60_000) => received(await child.wait(timeoutMs)),
    leave: async () => {
      // The first signal ends a busy ffmpeg; the second one also one that waits for the server.
      const soon = child.stop('SIGINT');
      await Promise.race([soon, delay(500)]);
      const all = await received(await child.stop('SIGINT'));
      return { ...all, complaints: all.complaints.filter((line) => !INTERRUPTED.test(line)) };
    },
    [Symbol.asyncDispose]: async () => {
      await child[Symbol.asyncDispose]();
      dir[Symbol.dispose]();
    },
  };
}
