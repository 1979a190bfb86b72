import { isDeepStrictEqual } from 'node:util';
import { ProtocolError } from '../../ingest/protocol/protocol-error.ts';
import type { AmfInput, AmfValue } from '../../ingest/protocol/rtmp/amf-value.ts';
import { encodeAmf0, parseAmf0, parseAmf0Prefix } from '../../ingest/protocol/rtmp/amf0.ts';
import { ChunkReader } from '../../ingest/protocol/rtmp/chunk-reader.ts';
import { encodeChunks } from '../../ingest/protocol/rtmp/chunk-writer.ts';
import { ServerHandshake } from '../../ingest/protocol/rtmp/handshake.ts';
import { normalisePath, parseStreamTarget } from '../../ingest/protocol/rtmp/stream-path.ts';
import { fixtureNames, readHexFixture } from '../support/hex-fixture.ts';
import { TEST_LIMITS, traceSession } from '../support/session-trace.ts';
import { generateAmf0, generateAmf3, generateChunks, generateCommands } from './rtmp-grammar.ts';
import { type FuzzTarget, hold, holdSame } from './target.ts';

const HANDSHAKE_BYTES = 3073;
const sessions = fixtureNames().map(readHexFixture);
const amf0Seeds = [
  encodeAmf0('connect', 1, { app: 'live', tcUrl: 'rtmp://h/live', capsEx: 14, fourCcList: ['av01', '*'] }),
  encodeAmf0(
    '@setDataFrame',
    'onMetaData',
    new Map<string, AmfInput>([
      ['width', 640],
      ['x', [null, true, { a: 'b' }]],
    ]),
  ),
  // Each array holds the one before eight times, by reference: 37,450 values for who walks it.
  Buffer.from(`0a0000000105${[0, 1, 2, 3, 4].map((n) => `0a00000008${`07000${n}`.repeat(8)}`).join('')}`, 'hex'),
  encodeAmf0('onCuePoint', { at: new Date(0), text: 'a'.repeat(70_000) }),
];

/** What is expected of a parser: an answer, or a ProtocolError. Returns the code of the latter. */
function faultOf(parse: () => void): string | undefined {
  try {
    parse();
    return undefined;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return error.code;
  }
}

function runHandshake(pieces: readonly Buffer[]): string[] {
  const lines: string[] = [];
  const handshake = new ServerHandshake(
    (bytes) => lines.push(`sent ${bytes.length}`),
    (size) => Buffer.alloc(size, 7),
  );
  let isOver = false;
  let left = 0;
  const fault = faultOf(() => {
    for (const piece of pieces) {
      const at = isOver ? 0 : handshake.receive(piece);
      hold(at >= -1 && at <= piece.length, 'offset after the handshake');
      if (at < 0) continue;
      isOver = true;
      left += piece.length - at;
    }
  });
  return [...lines, `${isOver} ${handshake.scheme} ${left} ${fault}`];
}

function runChunks(pieces: readonly Buffer[]): string[] {
  const lines: string[] = [];
  const reader = new ChunkReader(TEST_LIMITS, {
    onMessage: (type, streamId, timestamp, body) => {
      hold(body.length <= 0xff_ffff && timestamp >= 0 && timestamp <= 0xffff_ffff, 'message in its limits');
      lines.push(`${type} ${streamId} ${timestamp} ${body.length} ${body.subarray(0, 4).toString('hex')}`);
    },
    onDiscarded: () => lines.push('discarded'),
  });
  const fault = faultOf(() => {
    for (const piece of pieces) reader.receive(piece);
  });
  if (fault) lines.push(fault);
  return lines;
}

/** Acknowledgements count what has come, in whatever pieces. */
const withoutAcks = (lines: readonly string[]): string[] => lines.filter((line) => !line.startsWith('> control 3'));

function runSession(pieces: readonly Buffer[]): string[] {
  const trace = traceSession();
  trace.receive(...pieces);
  const fault = trace.lines.find((line) => line.startsWith('fault'));
  hold(fault === undefined || /^fault ERR_RTMP_\w+$/.test(fault), `a session ends with ${fault}`);
  return withoutAcks(trace.lines);
}

/** Values in all, as who walks the message as a tree meets them. */
function countValues(value: AmfValue): number {
  let count = 1;
  if (Array.isArray(value)) for (const item of value) count += countValues(item);
  else if (value instanceof Map) for (const item of value.values()) count += countValues(item);
  return count;
}

function hasBytes(value: AmfValue): boolean {
  if (Array.isArray(value)) return value.some(hasBytes);
  return Buffer.isBuffer(value) || (value instanceof Map && [...value.values()].some(hasBytes));
}

function runAmf(body: Buffer): void {
  const { values, fault } = parseAmf0Prefix(body);
  hold(fault === undefined || fault.action === 'skip', 'AMF faults are skipped');
  let total = 0;
  for (const value of values) total += countValues(value);
  hold(total <= 65_536, `${total} values in one message`);
  if (values.some(hasBytes)) return; // AMF0 has no form for them
  const again = parseAmf0(encodeAmf0(...values));
  hold(isDeepStrictEqual(again, values), 'written and read again, values are the same');
}

function runPath(input: Buffer): void {
  const [app = '', tcUrl = '', name = ''] = input.toString('utf8').split('\n');
  faultOf(() => {
    const { path } = parseStreamTarget(app, tcUrl, name);
    hold(Buffer.byteLength(path) <= 200 && path.includes('/'), `path ${JSON.stringify(path)}`);
    hold(!/[\0-\x1f\x7f\\]|(^|\/)\.|\/\/|^\/|\/$/.test(path), `path ${JSON.stringify(path)}`);
    hold(normalisePath(path) === path, 'a path in its form stays as it is');
  });
}

/** Everything between the socket and the media. */
export const RTMP_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'handshake',
    seeds: sessions.map((bytes) => bytes.subarray(0, HANDSHAKE_BYTES + 20)),
    run: (input, random) => holdSame(runHandshake(random.split(input)), runHandshake([input]), 'a split handshake'),
  },
  {
    name: 'chunks',
    seeds: sessions.map((bytes) => bytes.subarray(HANDSHAKE_BYTES)),
    generate: generateChunks,
    run: (input, random) => {
      const before = process.memoryUsage().arrayBuffers;
      const whole = runChunks([input]);
      const grown = process.memoryUsage().arrayBuffers - before;
      // Sixteen chunks are believed for one that came; doubling leaves as much behind as it makes; some for the runtime.
      hold(grown <= 512 * 1024 + 20 * input.length, `${grown} bytes of memory for ${input.length} bytes of input`);
      holdSame(runChunks(random.split(input)), whole, 'split chunks');
    },
  },
  {
    name: 'session',
    seeds: sessions,
    generate: (random) =>
      Buffer.concat([Buffer.of(3), Buffer.alloc(8), Buffer.alloc(3064, 1), generateCommands(random)]),
    run: (input, random) => {
      const whole = runSession([input]);
      const sent = whole.filter((line) => line.startsWith('>')).length;
      hold(sent <= 8 + input.length, `${sent} answers to ${input.length} bytes`);
      holdSame(runSession(random.split(input)), whole, 'a split session');
    },
  },
  { name: 'amf0', seeds: amf0Seeds, generate: generateAmf0, run: runAmf },
  {
    name: 'amf3',
    seeds: [Buffer.from('110a0b010361030107636f6c06050903010103', 'hex')],
    generate: (random) => Buffer.concat([Buffer.of(0x11), generateAmf3(random, 0)]),
    run: runAmf,
  },
  {
    name: 'stream-path',
    seeds: [
      Buffer.from('live?a=b\nrtmp://u:p@h:1935/live?c=d\nmp4:te st/%2F?user=x&pass=y?key=z'),
      Buffer.from('прямой/..\nrtmps://h/прямой\n工作室🎥'),
    ],
    run: runPath,
  },
  {
    name: 'chunk-writer',
    seeds: sessions.map((bytes) => bytes.subarray(HANDSHAKE_BYTES)),
    run: (input, random) => {
      const message = {
        chunkStreamId: random.pick([2, 3, 63, 64, 319, 320, 65_599]),
        type: random.pick([8, 9, 18, 20]),
        streamId: random.u32(),
        timestamp: random.pick([0, 0xff_fffe, 0xff_ffff, random.u32()]),
        body: input,
      };
      const [line] = runChunks(random.split(encodeChunks([message], 128)));
      const { type, streamId, timestamp, body } = message;
      hold(
        line === `${type} ${streamId} ${timestamp} ${body.length} ${body.subarray(0, 4).toString('hex')}`,
        `written and read again: ${line}`,
      );
    },
  },
];
