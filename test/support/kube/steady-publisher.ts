import { setTimeout as delay } from 'node:timers/promises';
import { numberedMedia } from '../numbered-media.ts';
import { RtmpPublisher } from '../rtmp-client.ts';
import { type MediaClip, paced } from '../synthetic-media.ts';

/** Source times of one attempt lie this far from those of the next, in ms: by its times, media tells whose it is. */
const ATTEMPT_SPAN_MS = 10_000_000;
const RETRY_MS = 500;
/** As encoders do: what neither connects nor takes data for so long is given up. A pod that is gone answers nothing. */
const PATIENCE_MS = 5000;

/** One publication, from its start to the loss of its connection. */
export interface Attempt {
  /** Source DTS in ms of each frame, by its number. */
  readonly dtsOf: number[];
  /** What was acknowledged last, as far as it was asked. */
  durable: { readonly pub: string; readonly seq: number; readonly dts: number } | undefined;
}

/** An encoder that does not give up: numbered frames in real time, and a new connection when the one it had is gone. */
export class SteadyPublisher implements AsyncDisposable {
  readonly path: string;
  readonly attempts: Attempt[] = [];
  readonly #url: string;
  readonly #clip: MediaClip;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(path: string, url: string, clip: MediaClip) {
    this.path = path;
    this.#url = url;
    this.#clip = clip;
    this.#done = this.#run();
  }

  /** Takes note of what the server acknowledges, for the attempt that it belongs to. */
  acknowledge(durable: NonNullable<Attempt['durable']>): void {
    const attempt = this.attempts[Math.floor(durable.dts / 90 / ATTEMPT_SPAN_MS)];
    if (attempt && durable.dts >= (attempt.durable?.dts ?? 0)) attempt.durable = durable;
  }

  /** Ends the publication in words. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#attempt(signal).catch(() => {});
      await delay(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }

  async #attempt(signal: AbortSignal): Promise<void> {
    const giveUp = new AbortController();
    const watchdog = setTimeout(() => giveUp.abort(), PATIENCE_MS);
    let publisher: RtmpPublisher | undefined;
    try {
      publisher = await RtmpPublisher.connect(this.#url, { signal: giveUp.signal });
      await publisher.publish();
      const attempt: Attempt = { dtsOf: [], durable: undefined };
      const fromMs = this.attempts.length * ATTEMPT_SPAN_MS;
      this.attempts.push(attempt);
      for await (const { type, timestamp, body } of paced(numberedMedia(this.#clip, { fromMs }), { signal })) {
        if (type === 9 && body[1] === 1) attempt.dtsOf.push(timestamp);
        await publisher.send(type, timestamp, body);
        watchdog.refresh();
      }
      await publisher.stop();
    } finally {
      clearTimeout(watchdog);
      publisher?.destroy();
    }
  }
}
