import { readFile } from 'node:fs/promises';
import { expect } from 'vitest';
import { framesIn, NumberedStream } from './numbered-stream.ts';
import { completeRecording } from './recording.ts';
import { type Server, type ServerOptions, startServer } from './server.ts';
import { makeClip } from './synthetic-media.ts';
import { waitFor } from './wait-for.ts';

const PATH = 'live/bystander';
/** Longer than this no viewer's queue would hold. The attackers run in this process too, so part of the wait is theirs. */
const LONGEST_WAIT_MS = 4_000;
const FAULTS = 'headwater_connection_faults_total';

/** A server with a publisher and a viewer who must notice nothing of what others do to it. */
export class Besieged implements AsyncDisposable {
  readonly server: Server;
  readonly stream: NumberedStream;
  #memory = 0;

  private constructor(server: Server, stream: NumberedStream) {
    this.server = server;
    this.stream = stream;
  }

  static async start(options: ServerOptions = {}): Promise<Besieged> {
    const clip = await makeClip({ videoKbps: 500 });
    const server = await startServer(options);
    const stream = await NumberedStream.start(server, PATH, clip);
    await waitFor('the bystander to be served', () => stream.seen.length > 25);
    return new Besieged(server, stream);
  }

  /** The code that a connection was closed with, out of the log. */
  async faultOf({ name, since }: { readonly name: string; readonly since: number }): Promise<string> {
    const { log } = this.server;
    const accepted = await waitFor(`${name} to be accepted`, () =>
      log.all('Connection accepted', { peer_addr: name }).find(({ time }) => Date.parse(String(time)) >= since),
    );
    const record = await waitFor(
      `the log to say why ${accepted.conn_id} was closed`,
      () => log.records.find((each) => each.conn_id === accepted.conn_id && each.level === 'WARN' && each.code),
      { everyMs: 20 },
    );
    return String(record.code);
  }

  /** How many connections were ended with this code. */
  faults(code: string): Promise<number> {
    return this.server.metric(`${FAULTS}{code="${code}"}`);
  }

  /** Resident memory, bytes, the most that it was at any of the calls. */
  highestMemory(): number {
    this.#memory = Math.max(this.#memory, this.server.rss());
    return this.#memory;
  }

  /** Proves that the server still answers, and that the bystanders are served still. */
  async expectAlive(): Promise<void> {
    this.highestMemory();
    const response = await fetch(`http://127.0.0.1:${this.server.ports.metrics}/healthz`);
    expect(await response.text()).toBe('ok\n');
    const before = this.stream.seen.length;
    await waitFor('the bystander to be served still', () => this.stream.seen.length > before + 2);
  }

  /** Ends the bystanders and proves that they lost nothing: viewer, recording, log. */
  async expectNothingLost(): Promise<void> {
    const { server, stream } = this;
    await stream.stop();
    const last = stream.sent.length - 1;
    await waitFor('the viewer to have the last frame', () => stream.seen.at(-1) === last);
    expect(stream.seen, 'frames at the viewer').toEqual(stream.sent.map((_, number) => number));
    expect(stream.longestWait).toBeLessThan(LONGEST_WAIT_MS);
    const recording = await completeRecording(server.store, PATH);
    const recorded: string[] = [];
    for (const { file } of recording.segments) {
      recorded.push(...(await framesIn(await readFile(file))).map(({ hash }) => hash));
    }
    expect(recorded, 'frames in the recording').toEqual(stream.sent);
    expect(server.log.records.filter(({ level }) => level === 'ERROR')).toEqual([]);
    expect(server.log.stray).toEqual([]);
    expect(server.process.stderr).toBe('');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stream[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }
}
