import type { Amf } from './rtmp-amf.ts';
import { encodeChunks } from './rtmp-chunks.ts';
import { RtmpConnection, type RtmpOptions, type Status } from './rtmp-connection.ts';

const CHUNK_STREAM: Readonly<Record<number, number>> = { 8: 4, 18: 5, 9: 6 };
const SET_BUFFER_LENGTH = 3;
const BUFFER_MS = 3000;

/** A publisher under the test's full control. */
export class RtmpPublisher implements AsyncDisposable {
  readonly connection: RtmpConnection;
  #messageStreamId = 0;

  private constructor(connection: RtmpConnection) {
    this.connection = connection;
  }

  /**
   * Connects, does not publish yet. `url` is `rtmp[s]://host:port/app/name?query`.
   * @throws RtmpRefused when the server refuses the application, Error when the connection fails.
   */
  static async connect(url: string, options: RtmpOptions = {}): Promise<RtmpPublisher> {
    return new RtmpPublisher(await RtmpConnection.connect(url, options));
  }

  /**
   * Asks to publish, as OBS does (releaseStream, FCPublish, createStream, publish), and waits for NetStream.Publish.Start.
   * @throws RtmpRefused with the code the server gave.
   */
  async publish(name: string = this.connection.streamName): Promise<void> {
    this.connection.command(0, 'releaseStream', null, name);
    this.connection.command(0, 'FCPublish', null, name);
    this.#messageStreamId = numberOf(await this.connection.call('createStream', null));
    this.connection.command(this.#messageStreamId, 'publish', null, name, 'live');
    await this.connection.status('NetStream.Publish.Start');
  }

  /** Sends one message; resolves when the socket can take more. Audio, video and data have chunk streams of their own. */
  async send(type: number, timestamp: number, body: Buffer): Promise<void> {
    const message = {
      chunkStreamId: CHUNK_STREAM[type] ?? 7,
      type,
      timestamp: timestamp >>> 0,
      messageStreamId: this.#messageStreamId,
      body,
    };
    if (this.connection.error) throw this.connection.error;
    if (!this.connection.socket.write(encodeChunks(message, this.connection))) await this.connection.drained();
  }

  /** Bytes as they are, for chunk forms that {@link send} does not make. */
  sendRaw(bytes: Buffer): void {
    this.connection.socket.write(bytes);
  }

  /** Ends the publication in words (FCUnpublish, deleteStream), then the connection. */
  async stop(): Promise<void> {
    this.connection.command(0, 'FCUnpublish', null, this.connection.streamName);
    this.connection.command(0, 'deleteStream', null, this.#messageStreamId);
    this.connection.socket.end();
    await this.connection.closed;
  }

  /** Cuts the TCP connection without a word. */
  destroy(): void {
    this.connection.destroy();
  }

  get statuses(): readonly Status[] {
    return this.connection.statuses;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.connection[Symbol.asyncDispose]();
  }
}

/** A media or data message as a player received it. */
export interface ReceivedMessage {
  /** 8 audio, 9 video, 18 data. */
  readonly type: number;
  readonly timestamp: number;
  readonly body: Buffer;
  /** `performance.now()` when its last byte was read. */
  readonly arrivedAt: number;
}

/** How a player connects, and what it does with media. */
export interface PlayerOptions extends RtmpOptions {
  /** Called for each message. Without it the player counts bytes and parses nothing once media flows. */
  readonly onMessage?: (message: ReceivedMessage) => void;
  /** Announced in `connect` (E-RTMP §Enhancing NetConnection connect). */
  readonly fourCcList?: readonly string[];
  /** Announces multitrack in `capsEx`. */
  readonly multitrack?: boolean;
}

const CAPS_MULTITRACK = 2;

/** A viewer under the test's full control. */
export class RtmpPlayer implements AsyncDisposable {
  readonly connection: RtmpConnection;
  #messageStreamId = 0;

  private constructor(connection: RtmpConnection) {
    this.connection = connection;
  }

  /**
   * Connects and asks to play the path of `url`; resolves at NetStream.Play.Start.
   * @throws RtmpRefused with the code the server gave, Error when the connection fails.
   */
  static async connect(url: string, options: PlayerOptions = {}): Promise<RtmpPlayer> {
    const { onMessage, fourCcList, multitrack, ...rest } = options;
    const announced: Record<string, Amf> = {
      ...(fourCcList && { fourCcList }),
      ...(multitrack && { capsEx: CAPS_MULTITRACK }),
    };
    const connection = await RtmpConnection.connect(url, {
      ...rest,
      connectFields: { ...announced, ...options.connectFields },
    });
    const player = new RtmpPlayer(connection);
    if (onMessage)
      connection.onMedia = ({ type, timestamp, body }) =>
        onMessage({ type, timestamp, body, arrivedAt: performance.now() });
    try {
      await player.#play();
    } catch (error) {
      await connection[Symbol.asyncDispose]();
      throw error;
    }
    connection.countOnly = onMessage === undefined;
    return player;
  }

  /** Stops reading: the kernel's buffers fill, then the server's. */
  pause(): void {
    this.connection.socket.pause();
  }

  /** Reads on. */
  resume(): void {
    this.connection.socket.resume();
  }

  /** Bytes read, handshake and commands included. */
  get bytesRead(): number {
    return this.connection.bytesRead;
  }

  get statuses(): readonly Status[] {
    return this.connection.statuses;
  }

  /** Resolves when the connection has closed. */
  get closed(): Promise<void> {
    return this.connection.closed;
  }

  /** Says deleteStream and ends the connection. */
  async stop(): Promise<void> {
    this.connection.command(0, 'deleteStream', null, this.#messageStreamId);
    this.connection.socket.end();
    await this.connection.closed;
  }

  /** Cuts the TCP connection. */
  destroy(): void {
    this.connection.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.connection[Symbol.asyncDispose]();
  }

  async #play(): Promise<void> {
    this.#messageStreamId = numberOf(await this.connection.call('createStream', null));
    this.connection.command(this.#messageStreamId, 'play', null, this.connection.streamName, -1000);
    this.connection.userControl(SET_BUFFER_LENGTH, this.#messageStreamId, BUFFER_MS);
    await this.connection.status('NetStream.Play.Start');
  }
}

/** The stream id in createStream's answer. */
function numberOf(values: readonly Amf[]): number {
  const id = values[1];
  if (typeof id !== 'number' || id < 1) throw new Error(`createStream gave ${JSON.stringify(values)}`);
  return id;
}
