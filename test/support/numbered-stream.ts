import { createHash } from 'node:crypto';
import { ALL_FORMATS, BufferSource, EncodedPacketSink, Input } from 'mediabunny';
import { numberedMedia, numberIn } from './numbered-media.ts';
import { RtmpPlayer, RtmpPublisher } from './rtmp-client.ts';
import type { Server } from './server.ts';
import { type MediaClip, paced } from './synthetic-media.ts';

const AVC_HEADER_BYTES = 5;

function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A publisher of numbered frames with a viewer: what was sent, and how the viewer fared. */
export class NumberedStream implements AsyncDisposable {
  /** Hash of each frame sent, by its number. */
  readonly sent: string[] = [];
  /** Source DTS of each, in ms. */
  readonly dts: number[] = [];
  /** Numbers the viewer received, in order. */
  readonly seen: number[] = [];
  /** Longest time between two frames at the viewer, in ms. */
  longestWait = 0;
  readonly #publisher: RtmpPublisher;
  readonly #player: RtmpPlayer;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #lastAt: number | undefined;

  private constructor(publisher: RtmpPublisher, player: RtmpPlayer, clip: MediaClip, fromMs: number) {
    this.#publisher = publisher;
    this.#player = player;
    this.#done = this.#send(clip, fromMs);
  }

  static async start(server: Server, path: string, clip: MediaClip, fromMs = 0): Promise<NumberedStream> {
    const publisher = await RtmpPublisher.connect(server.rtmp(path));
    await publisher.publish();
    let stream: NumberedStream | undefined;
    const player = await RtmpPlayer.connect(server.rtmp(path), {
      onMessage: ({ type, body }) => {
        const number = type === 9 ? numberIn(body) : undefined;
        if (number !== undefined && stream) stream.#onFrame(number);
      },
    });
    stream = new NumberedStream(publisher, player, clip, fromMs);
    return stream;
  }

  #onFrame(number: number): void {
    const now = performance.now();
    if (this.#lastAt !== undefined) this.longestWait = Math.max(this.longestWait, now - this.#lastAt);
    this.#lastAt = now;
    this.seen.push(number);
  }

  async #send(clip: MediaClip, fromMs: number): Promise<void> {
    try {
      for await (const { type, timestamp, body } of paced(numberedMedia(clip, { fromMs }), {
        signal: this.#stop.signal,
      })) {
        if (type === 9 && body[1] === 1) {
          this.sent.push(hash(body.subarray(AVC_HEADER_BYTES)));
          this.dts.push(timestamp);
        }
        await this.#publisher.send(type, timestamp, body);
      }
    } catch {
      // the server has gone
    }
  }

  /** Ends the publication in words. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
    await this.#publisher.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#done;
    this.#publisher.destroy();
    this.#player.destroy();
  }
}

/** Number and hash of each video frame of a segment, in file order. */
export async function framesIn(
  segment: Buffer,
): Promise<{ readonly number: number | undefined; readonly hash: string }[]> {
  using input = new Input({ source: new BufferSource(new Uint8Array(segment)), formats: ALL_FORMATS });
  const track = await input.getPrimaryVideoTrack();
  const frames = [];
  if (track) {
    for await (const packet of new EncodedPacketSink(track).packets()) {
      frames.push({ number: numberIn(packet.data), hash: hash(packet.data) });
    }
  }
  return frames;
}
