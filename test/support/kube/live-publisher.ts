import { AAC_48, AVC_720, drawnFrame, header } from '../drawn-media.ts';
import { RtmpPublisher } from '../rtmp-client.ts';

/** Between two frames, ms of media and of time. */
const FRAME_MS = 100;
const FRAMES_IN_GOP = 10;

/** An encoder that sends in real time, and does not come back when it is closed: what becomes of it is what the test wants to know. */
export class LivePublisher implements AsyncDisposable {
  readonly #publisher: RtmpPublisher;
  readonly #sending: NodeJS.Timeout;
  #frames = 0;
  /** When the server closed it, by `performance.now()`; undefined: it is live. */
  closedAt: number | undefined;

  private constructor(publisher: RtmpPublisher) {
    this.#publisher = publisher;
    void publisher.connection.closed.then(() => {
      this.closedAt = performance.now();
    });
    this.#sending = setInterval(() => void this.#send().catch(() => {}), FRAME_MS);
  }

  /** @throws RtmpRefused when it may not publish */
  static async start(url: string): Promise<LivePublisher> {
    const publisher = await RtmpPublisher.connect(url);
    try {
      await publisher.publish();
      await publisher.send(9, 0, header(AVC_720).body);
      await publisher.send(8, 0, header(AAC_48).body);
      return new LivePublisher(publisher);
    } catch (error) {
      publisher.destroy();
      throw error;
    }
  }

  get isLive(): boolean {
    return this.closedAt === undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#sending);
    this.#publisher.destroy();
    await this.#publisher.connection.closed;
  }

  async #send(): Promise<void> {
    if (!this.isLive) return;
    const number = this.#frames++;
    const frame = drawnFrame(number % FRAMES_IN_GOP === 0 ? 'K' : 'p', number * FRAME_MS, number);
    await this.#publisher.send(frame.type, frame.timestamp, frame.body);
  }
}
