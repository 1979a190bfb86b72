import { ProtocolError, type ProtocolFault } from '../protocol-error.ts';
import type { StreamTarget } from '../stream-target.ts';
import { splitAggregate } from './aggregate.ts';
import { ChunkReader } from './chunk-reader.ts';
import { encodeChunks } from './chunk-writer.ts';
import { type Command, commandMessage, parseCommand, statusMessage, withoutFormatSelector } from './command.ts';
import { type ConnectInfo, connectResult, parseConnect } from './connect-info.ts';
import { ServerHandshake } from './handshake.ts';
import type { MediaMessage, MediaMessageType } from './media-message.ts';
import {
  controlMessage,
  MESSAGE,
  type OutgoingMessage,
  peerBandwidthMessage,
  USER_EVENT,
  userControlMessage,
} from './message.ts';
import { MessageStreams } from './message-streams.ts';
import type {
  PlayRefusal,
  PublishRefusal,
  RtmpSessionHandler,
  RtmpSessionOptions,
  StopCause,
} from './session-handler.ts';
import { parseStreamTarget } from './stream-path.ts';

/** What other servers announce. Bytes. */
const WINDOW_ACK_SIZE = 2_500_000;
/** Unfinished messages of a peer that has not asked to publish: its commands are short, and there may be many such peers. */
const STRANGER_PARTIAL_BYTES = 1024 * 1024;
/** Media that came before its publisher was accepted. */
const MAX_HELD_BYTES = 8 * 1024 * 1024;
const MAX_HELD_MESSAGES = 16_384;
/** Messages passed over, of a peer that does not publish: one byte makes one, and each is counted. */
const MAX_ODDITIES = 10_000;
/** Viewers get their media on this message stream: then one Buffer serves all of them. */
const PLAY_STREAM_ID = 1;
/** A client's answers to us: they want none. */
const ANSWERS: ReadonlySet<string> = new Set(['_result', '_error', 'onStatus']);

/**
 * The server's side of one RTMP connection as a state machine: bytes in, calls of its handler out; no socket, no timer.
 * It answers by itself what needs no decision. One publication or one playback at a time.
 */
export class RtmpSession {
  readonly #handler: RtmpSessionHandler;
  readonly #chunkSize: number;
  readonly #windowAckSize: number;
  readonly #chunks: ChunkReader;
  #handshake: ServerHandshake | undefined;
  #connect: ConnectInfo | undefined;
  readonly #streams = new MessageStreams();
  #publishing: 'no' | 'asked' | 'yes' = 'no';
  #playing: 'no' | 'asked' | 'yes' = 'no';
  /** Message stream of what is published or played. */
  #streamId = 0;
  #held: MediaMessage[] = [];
  #heldBytes = 0;
  #oddities = 0;
  #received = 0;
  #acknowledged = 0;
  /** The window that the peer asked for; 0 while it did not. Unasked-for acknowledgements would pile up at publishers that never read. */
  #ackEvery = 0;
  #peerBandwidth = 0;

  constructor(options: RtmpSessionOptions, handler: RtmpSessionHandler) {
    this.#handler = handler;
    this.#chunkSize = options.chunkSize;
    this.#windowAckSize = options.windowAckSize ?? WINDOW_ACK_SIZE;
    this.#handshake = new ServerHandshake((bytes) => handler.send(bytes), options.random);
    this.#chunks = new ChunkReader(options.limits, {
      onMessage: (type, streamId, timestamp, body) => this.#onMessage(type, streamId, timestamp, body),
      onDiscarded: () => this.#skip('ERR_RTMP_DISCARDED'),
    });
    this.#chunks.limitPartial(STRANGER_PARTIAL_BYTES);
  }

  /**
   * Takes the next bytes of the peer; they may be reused afterwards. After a throw the session is dead: what it sent before may still
   * explain why, then the connection is to be closed.
   * @throws ProtocolError whose action is `close`: ERR_RTMP_…
   */
  receive(bytes: Buffer): void {
    this.#received += bytes.length;
    let at = 0;
    if (this.#handshake !== undefined) {
      at = this.#handshake.receive(bytes);
      if (at < 0) return;
      const { scheme } = this.#handshake;
      this.#handshake = undefined;
      this.#handler.onHandshake({ scheme });
    }
    this.#chunks.receive(bytes, at);
    // At half the window: a client that stops at the whole one never has to.
    if (this.#ackEvery > 0 && (this.#received - this.#acknowledged) * 2 >= this.#ackEvery) {
      this.#acknowledged = this.#received;
      this.#send(controlMessage(MESSAGE.ACKNOWLEDGEMENT, this.#received % 0x1_0000_0000));
    }
  }

  /** The publisher may go on; what it sent meanwhile comes to `onMedia` now. False if it has stopped before: then nothing happens. */
  acceptPublish(streamId: number): boolean {
    if (this.#publishing !== 'asked' || streamId !== this.#streamId) return false;
    this.#publishing = 'yes';
    this.#send(statusMessage(streamId, 'status', 'NetStream.Publish.Start', 'Publishing.'));
    const held = this.#held;
    this.#dropHeld();
    for (const message of held) {
      // The handler may end the publication meanwhile.
      if (this.#publishing === 'yes') this.#handler.onMedia(message);
    }
    return true;
  }

  /** The publisher is refused. The caller closes the connection, or lets the client try another name. */
  rejectPublish(streamId: number, code: PublishRefusal, description: string): void {
    if (this.#publishing !== 'asked' || streamId !== this.#streamId) return;
    this.#publishing = 'no';
    this.#dropHeld();
    this.#send(statusMessage(streamId, 'error', code, description));
  }

  /** The server ends a publication: told as an error unless `code` is NetStream.Unpublish.Success. */
  unpublishedByServer(code: PublishRefusal | 'NetStream.Unpublish.Success', description: string): void {
    if (this.#publishing === 'no') return;
    this.#publishing = 'no';
    this.#dropHeld();
    const level = code === 'NetStream.Unpublish.Success' ? 'status' : 'error';
    this.#send(statusMessage(this.#streamId, level, code, description));
  }

  /** The viewer may go on; the caller sends headers and media next, on message stream 1. False if it has stopped before. */
  acceptPlay(streamId: number): boolean {
    if (this.#playing !== 'asked' || streamId !== this.#streamId) return false;
    this.#playing = 'yes';
    // The order that all players accept; no StreamIsRecorded, which makes some think of a file.
    this.#send(
      userControlMessage(USER_EVENT.STREAM_BEGIN, streamId),
      statusMessage(streamId, 'status', 'NetStream.Play.Reset', 'Playing and resetting.'),
      statusMessage(streamId, 'status', 'NetStream.Play.Start', 'Started playing.'),
      { ...commandMessage(streamId, '|RtmpSampleAccess', true, true), type: MESSAGE.DATA },
    );
    return true;
  }

  /** The viewer is refused. The caller closes the connection, or lets the client try another name. */
  rejectPlay(streamId: number, code: PlayRefusal, description: string): void {
    if (this.#playing !== 'asked' || streamId !== this.#streamId) return;
    this.#playing = 'no';
    this.#send(statusMessage(streamId, 'error', code, description));
  }

  /** The stream has ended: ffmpeg and librtmp take this for the end of the file. To be sent after the last media. */
  endPlay(): void {
    if (this.#playing === 'no') return;
    this.#playing = 'no';
    this.#send(
      statusMessage(this.#streamId, 'status', 'NetStream.Play.UnpublishNotify', 'The stream has ended.'),
      statusMessage(this.#streamId, 'status', 'NetStream.Play.Stop', 'Stopped playing.'),
      userControlMessage(USER_EVENT.STREAM_EOF, this.#streamId),
    );
  }

  /** Asks the peer for a sign of life; `now` in ms comes back in its answer. No answer is no fault: librtmp reads only when it writes. */
  ping(now: number): void {
    this.#send(userControlMessage(USER_EVENT.PING_REQUEST, Math.trunc(now) % 0x1_0000_0000));
  }

  /** Publishers may be as odd as they like: some drones are, all day. Others have no reason to. */
  #skip(code: ProtocolFault): void {
    this.#handler.onSkipped(code);
    if (this.#publishing === 'yes') return;
    this.#oddities += 1;
    if (this.#oddities > MAX_ODDITIES) {
      throw new ProtocolError(
        'ERR_RTMP_FLOOD',
        `more than ${MAX_ODDITIES} odd messages of a peer that does not publish`,
      );
    }
  }

  #send(...messages: OutgoingMessage[]): void {
    this.#handler.send(encodeChunks(messages, this.#chunkSize));
  }

  #onMessage(type: number, streamId: number, timestamp: number, body: Buffer): void {
    switch (type) {
      case MESSAGE.AUDIO:
      case MESSAGE.VIDEO:
      case MESSAGE.DATA:
        this.#onMedia(type, streamId, timestamp, body);
        break;
      case MESSAGE.DATA_AMF3:
        this.#onMedia(MESSAGE.DATA, streamId, timestamp, withoutFormatSelector(body));
        break;
      case MESSAGE.AGGREGATE:
        this.#onAggregate(streamId, timestamp, body);
        break;
      case MESSAGE.COMMAND:
        this.#onCommand(streamId, body);
        break;
      case MESSAGE.COMMAND_AMF3:
        this.#onCommand(streamId, withoutFormatSelector(body));
        break;
      case MESSAGE.USER_CONTROL:
        this.#onUserControl(body);
        break;
      case MESSAGE.WINDOW_ACK_SIZE:
        if (body.length >= 4) this.#ackEvery = body.readUInt32BE();
        break;
      case MESSAGE.SET_PEER_BANDWIDTH:
        this.#onPeerBandwidth(body);
        break;
      case MESSAGE.SET_CHUNK_SIZE:
      case MESSAGE.ABORT:
      case MESSAGE.ACKNOWLEDGEMENT:
        // The chunk reader has obeyed the first two. Who never acknowledges is no worse a client.
        break;
      default:
        this.#skip('ERR_RTMP_UNKNOWN_MESSAGE');
    }
  }

  /** Media of the one publication: on its message stream, or on 0 by encoders that do not know of streams. */
  #onMedia(type: MediaMessageType, streamId: number, timestamp: number, body: Buffer): void {
    if (this.#publishing === 'no' || (streamId !== this.#streamId && streamId !== 0)) {
      this.#skip('ERR_RTMP_STRAY_MEDIA');
    } else if (this.#publishing === 'yes') {
      this.#handler.onMedia({ type, timestamp, body });
    } else {
      this.#heldBytes += body.length;
      this.#held.push({ type, timestamp, body });
      if (this.#heldBytes > MAX_HELD_BYTES || this.#held.length > MAX_HELD_MESSAGES) {
        throw new ProtocolError('ERR_RTMP_FLOOD', `more than ${MAX_HELD_BYTES} bytes of media before Publish.Start`);
      }
    }
  }

  #dropHeld(): void {
    this.#held = [];
    this.#heldBytes = 0;
  }

  #onAggregate(streamId: number, timestamp: number, body: Buffer): void {
    const isWhole = splitAggregate(timestamp, body, (type, time, part) => {
      if (type === MESSAGE.AUDIO || type === MESSAGE.VIDEO || type === MESSAGE.DATA) {
        this.#onMedia(type, streamId, time, part);
      } else if (type === MESSAGE.DATA_AMF3) {
        this.#onMedia(MESSAGE.DATA, streamId, time, withoutFormatSelector(part));
      } else {
        this.#skip('ERR_RTMP_AGGREGATE');
      }
    });
    if (!isWhole) this.#skip('ERR_RTMP_AGGREGATE');
  }

  /** RTMP 1.0 §7.1.7. Short, unknown and client-side events are common and mean nothing here. */
  #onUserControl(body: Buffer): void {
    if (body.length >= 6 && body.readUInt16BE() === USER_EVENT.PING_REQUEST) {
      this.#send(userControlMessage(USER_EVENT.PING_RESPONSE, body.readUInt32BE(2)));
    }
  }

  /** RTMP 1.0 §5.4.5: answered with Window Ack Size where it is news. */
  #onPeerBandwidth(body: Buffer): void {
    if (body.length < 4) return;
    const bandwidth = body.readUInt32BE();
    if (bandwidth === this.#peerBandwidth) return;
    this.#peerBandwidth = bandwidth;
    this.#send(controlMessage(MESSAGE.WINDOW_ACK_SIZE, bandwidth));
  }

  #onCommand(streamId: number, body: Buffer): void {
    const command = parseCommand(body);
    if (command === undefined) {
      this.#skip('ERR_RTMP_UNREADABLE_COMMAND');
    } else if (command.name === 'connect') {
      this.#onConnect(command);
    } else if (this.#connect === undefined) {
      throw new ProtocolError('ERR_RTMP_COMMAND', `the first command must be connect, it is ${quoted(command.name)}`);
    } else {
      this.#onConnected(command, streamId, this.#connect);
    }
  }

  #onConnect(command: Command): void {
    if (this.#connect !== undefined) throw new ProtocolError('ERR_RTMP_COMMAND', 'a second connect');
    const info = parseConnect(command);
    if (info === undefined) throw new ProtocolError('ERR_RTMP_COMMAND', 'connect without its object');
    this.#connect = info;
    this.#send(
      controlMessage(MESSAGE.WINDOW_ACK_SIZE, this.#windowAckSize),
      peerBandwidthMessage(this.#windowAckSize),
      controlMessage(MESSAGE.SET_CHUNK_SIZE, this.#chunkSize),
      connectResult(command.transactionId, info),
    );
    this.#handler.onConnect(info);
  }

  #onConnected(command: Command, streamId: number, connect: ConnectInfo): void {
    const { name, transactionId, args } = command;
    switch (name) {
      case 'createStream':
        this.#send(commandMessage(0, '_result', transactionId, null, this.#streams.create()));
        break;
      case 'publish':
        this.#onPublish(streamId, command, connect);
        break;
      case 'play':
        this.#onPlay(streamId, command, connect);
        break;
      case 'FCPublish':
        this.#answer(transactionId);
        this.#send(fcMessage('onFCPublish', 'NetStream.Publish.Start', args[0]));
        break;
      case 'FCUnpublish':
        this.#answer(transactionId);
        this.#send(fcMessage('onFCUnpublish', 'NetStream.Unpublish.Success', args[0]));
        if (this.#publishing !== 'no') this.#stop(this.#streamId, 'FCUnpublish');
        break;
      case 'deleteStream': {
        const id = typeof args[0] === 'number' ? args[0] : streamId;
        this.#streams.delete(id);
        this.#stop(id, 'deleteStream');
        break;
      }
      case 'closeStream':
        this.#stop(streamId, 'closeStream');
        break;
      case 'getStreamLength':
        this.#send(commandMessage(0, '_result', transactionId, null, 0));
        break;
      case 'pause': {
        const code = args[0] === true ? 'NetStream.Pause.Notify' : 'NetStream.Unpause.Notify';
        this.#send(statusMessage(streamId, 'status', code, 'The stream is live, it goes on.'));
        break;
      }
      case 'seek':
        this.#send(statusMessage(streamId, 'status', 'NetStream.Seek.Notify', 'The stream is live, it goes on.'));
        break;
      default:
        // FMLE and Wirecast wait for an answer to whatever they ask: releaseStream, _checkbw, FCSubscribe …
        if (!ANSWERS.has(name)) this.#answer(transactionId);
    }
  }

  #answer(transactionId: number): void {
    if (transactionId !== 0) this.#send(commandMessage(0, '_result', transactionId, null, undefined));
  }

  #onPublish(streamId: number, { args }: Command, connect: ConnectInfo): void {
    if (this.#isBusy()) {
      const what = 'a connection carries one stream: this one publishes or plays already';
      this.#send(statusMessage(streamId, 'error', 'NetStream.Publish.BadName', what));
      this.#skip('ERR_RTMP_SECOND_STREAM');
      return;
    }
    const target = this.#targetOf(args[0], connect, streamId, 'NetStream.Publish.Rejected');
    this.#publishing = 'asked';
    this.#chunks.limitPartial(Number.POSITIVE_INFINITY);
    this.#streamId = streamId;
    const type = args[1];
    this.#handler.onPublish({ ...target, streamId, publishType: typeof type === 'string' ? type : 'live' });
  }

  #onPlay(streamId: number, { args }: Command, connect: ConnectInfo): void {
    if (this.#isBusy() || streamId !== PLAY_STREAM_ID) {
      const what = 'a connection carries one stream, and plays it on the first message stream it creates';
      this.#send(statusMessage(streamId, 'error', 'NetStream.Play.Failed', what));
      this.#skip('ERR_RTMP_SECOND_STREAM');
      return;
    }
    const target = this.#targetOf(args[0], connect, streamId, 'NetStream.Play.Failed');
    this.#playing = 'asked';
    this.#streamId = streamId;
    const start = args[1];
    this.#handler.onPlay({ ...target, streamId, startSeconds: typeof start === 'number' ? start : -2 });
  }

  #isBusy(): boolean {
    return this.#publishing !== 'no' || this.#playing !== 'no';
  }

  /** The client is told what is wrong with its path before the connection ends. */
  #targetOf(
    name: Command['args'][number],
    connect: ConnectInfo,
    streamId: number,
    refusal: PublishRefusal | PlayRefusal,
  ): StreamTarget {
    try {
      return parseStreamTarget(connect.app, connect.tcUrl, typeof name === 'string' ? name : '');
    } catch (error) {
      if (error instanceof ProtocolError) this.#send(statusMessage(streamId, 'error', refusal, error.message));
      throw error;
    }
  }

  #stop(streamId: number, cause: StopCause): void {
    if (streamId !== this.#streamId || !this.#isBusy()) return;
    this.#publishing = 'no';
    this.#playing = 'no';
    this.#dropHeld();
    this.#handler.onStop({ streamId, cause });
  }
}

/** What FMLE waits for after FCPublish and FCUnpublish. */
function fcMessage(name: string, code: string, streamName: Command['args'][number]): OutgoingMessage {
  const description = typeof streamName === 'string' ? streamName : '';
  return commandMessage(0, name, 0, null, { level: 'status', code, description });
}

/** A name out of the wire for a message: short, and without what a terminal obeys. */
function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 40));
}
