import { readFileSync } from 'node:fs';
import { SrtCaller } from '../support/srt-caller.ts';
import type { LoadReply, LoadSample } from './load.ts';

/** What a process of SRT publishers does, told to it in its first message. */
export interface SrtLoadSpec {
  readonly publish: readonly { readonly port: number; readonly streamId: string }[];
  /** Undefined: in clear. */
  readonly passphrase: string | undefined;
  /** An MPEG transport stream, sent once by every publisher at an even pace. */
  readonly file: string;
  readonly bitsPerSecond: number;
}

type Request = { readonly do: 'start'; readonly spec: SrtLoadSpec } | { readonly do: 'sample' | 'stop' };

const MESSAGE_BYTES = 1316;
const TICK_MS = 5;
/** Publishers begin one after another over this time, as they do in life: keyframes of all at once are another test. */
const SPREAD_MS = 2_000;
const LATENCY_MS = 500;
const CONNECTING_AT_ONCE = 10;

interface Running {
  readonly caller: SrtCaller;
  readonly startsAt: number;
  sent: number;
}

const running: Running[] = [];
let ticker: NodeJS.Timeout | undefined;
let source = Buffer.alloc(0);
let sentBytes = 0;
let refused = 0;

async function start({ publish, passphrase, file, bitsPerSecond }: SrtLoadSpec): Promise<void> {
  source = readFileSync(file);
  const callers: SrtCaller[] = [];
  for (let i = 0; i < publish.length; i += CONNECTING_AT_ONCE) {
    const some = publish.slice(i, i + CONNECTING_AT_ONCE).map(({ port, streamId }) => {
      const secret = passphrase === undefined ? {} : { passphrase };
      return SrtCaller.connect(port, { streamId, latencyMs: LATENCY_MS, ...secret });
    });
    callers.push(...(await Promise.all(some)));
  }
  const now = performance.now();
  for (const [i, caller] of callers.entries()) {
    running.push({ caller, startsAt: now + (i * SPREAD_MS) / callers.length, sent: 0 });
  }
  const messagesPerMs = bitsPerSecond / 8 / MESSAGE_BYTES / 1000;
  ticker = setInterval(() => {
    const at = performance.now();
    for (const publisher of running) sendDue(publisher, (at - publisher.startsAt) * messagesPerMs);
  }, TICK_MS);
}

function sendDue(publisher: Running, due: number): void {
  for (; publisher.sent < due; publisher.sent++) {
    const at = publisher.sent * MESSAGE_BYTES;
    if (at >= source.length) return;
    const message = source.subarray(at, at + MESSAGE_BYTES);
    if (!publisher.caller.send(message)) {
      refused++;
      return;
    }
    sentBytes += message.length;
  }
}

function sample(): LoadSample {
  const { user, system } = process.cpuUsage();
  return {
    atMs: performance.now(),
    sentBytes,
    receivedBytes: 0,
    cpuSeconds: (user + system) / 1e6,
    latenciesMs: [],
    missedFrames: refused,
    lost: running.filter(({ caller }) => caller.isClosed).length,
    unsentBytes: 0,
  };
}

async function stop(): Promise<void> {
  clearInterval(ticker);
  await Promise.all(running.map(({ caller }) => (caller.isClosed ? undefined : caller.close())));
  await Promise.all(running.map(({ caller }) => caller[Symbol.asyncDispose]()));
}

function reply(message: LoadReply): void {
  process.send?.(message);
}

process.on('message', async (request: Request) => {
  try {
    if (request.do === 'start') await start(request.spec);
    if (request.do === 'stop') await stop();
    reply(request.do === 'sample' ? { did: 'sample', sample: sample() } : { did: request.do });
    if (request.do === 'stop') process.disconnect();
  } catch (error) {
    reply({ did: 'fail', error: error instanceof Error ? error.stack! : String(error) });
  }
});
// Without its parent it has nothing to do.
process.once('disconnect', () => process.exit());
