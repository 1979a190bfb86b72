import { TransportProgram } from '../../ingest/adapt/media-to-ts.ts';
import { SrtPayloadToMedia } from '../../ingest/adapt/srt-payload-to-media.ts';
import { findNalUnits, prefixLengths } from '../../ingest/codec/annex-b.ts';
import { nalUnits } from '../../ingest/codec/nal-units.ts';
import { type MediaEvent, msOfTicks } from '../../ingest/media/media-event.ts';
import { PesAssembler, PesMemory } from '../../ingest/protocol/mpegts/pes.ts';
import { parseSection, SectionAssembler } from '../../ingest/protocol/mpegts/psi.ts';
import { fixtureNames, matroskaFixture, tsFixture } from '../support/payload-run.ts';
import { checkEvents } from './check-events.ts';
import type { Random } from './random.ts';
import { type FuzzTarget, hold, holdSame } from './target.ts';

const PACKET = 188;
const tsSeeds = fixtureNames('ts').map(tsFixture);
const matroskaSeeds = fixtureNames('matroska').map(matroskaFixture);

/** What comes of `pieces`; `losses`: behind which of them one is missing. */
function adapt(
  pieces: readonly Buffer[],
  losses: ReadonlySet<number> = new Set(),
): { events: MediaEvent[]; passed: Buffer } {
  const events: MediaEvent[] = [];
  const parts: Buffer[] = [];
  const media = new SrtPayloadToMedia(
    { onEvent: (event) => events.push(event), onTransport: ({ data }) => parts.push(Buffer.from(data)) },
    { onSkipped() {} },
  );
  pieces.forEach((piece, i) => {
    media.push(Buffer.from(piece), 0);
    if (losses.has(i)) media.lost(1);
  });
  media.end('lost');
  return { events, passed: Buffer.concat(parts) };
}

const trace = (event: MediaEvent): string => {
  if (event.kind === 'frame')
    return `${event.track} ${event.dts} ${event.pts} ${event.key} ${event.data.toString('latin1')}`;
  return event.kind === 'config'
    ? `${event.track} ${event.codec} ${event.record.toString('latin1')}`
    : JSON.stringify(event);
};

/** Any split gives the same; what comes out can be sent on. */
function runPayloads(input: Buffer, random: Random): void {
  const whole = adapt([input]);
  checkEvents(whole.events);
  const cut = adapt(random.split(input));
  holdSame(cut.events.map(trace), whole.events.map(trace), 'events of a split');
  hold(cut.passed.equals(whole.passed), 'what is passed on does not depend on splits');
  hold(whole.passed.length % PACKET === 0, 'whole packets are passed on');
  const pieces = random.split(input);
  checkEvents(adapt(pieces, new Set([random.below(pieces.length), random.below(pieces.length)])).events);
  sendOn(whole.events);
}

function sendOn(events: readonly MediaEvent[]): void {
  const program = new TransportProgram();
  for (const event of events) {
    if (event.kind !== 'config' && event.kind !== 'frame') continue;
    const ms = event.kind === 'frame' ? msOfTicks(event.dts) : 0;
    const before = program.clone();
    const packets = program.advance(event, ms);
    const bytes = before.write([event], [ms], packets);
    for (let at = 0; at < bytes.length; at += PACKET)
      hold(bytes[at] === 0x47, `packet ${at / PACKET} has its sync byte`);
  }
}

/** Payloads as packets carry them: a byte that tells whether a PES packet begins and how long it is, then its bytes. */
function runPes(input: Buffer): void {
  for (const end of ['counted', 'next'] as const) {
    const check = ({ bytes, floor, from, to }: { bytes: Buffer; floor: number; from: number; to: number }): void =>
      hold(floor <= from && from <= to && to <= bytes.length, `a unit at ${floor} ${from} ${to} of ${bytes.length}`);
    const pes = new PesAssembler(
      { onUnit: check, onDamage: (partial) => partial && check(partial) },
      end,
      256,
      new PesMemory(),
    );
    for (let at = 0; at < input.length; ) {
      const head = input[at++]!;
      const to = Math.min(input.length, at + (head & 0x7f));
      if (head >= 0x80) pes.begin(input, at, to, 0);
      else pes.append(input, at, to, 0);
      if (head % 16 === 15) pes.damage('ERR_TS_CONTINUITY');
      at = to;
    }
    pes.end(input.length % 2 === 0);
  }
}

function runSections(input: Buffer): void {
  const assembler = new SectionAssembler();
  const section = (bytes: Buffer): void => {
    parseSection(bytes);
    hold(bytes.length <= 1024, 'sections are bounded');
  };
  for (let at = 0; at < input.length; at += 184) {
    assembler.push(input, at, Math.min(at + 184, input.length), input[at]! < 0x80, section);
  }
  parseSection(input);
}

function runByteStream(input: Buffer): void {
  const bounds: number[] = [];
  const count = findNalUnits(input, 0, input.length, bounds);
  const units = Array.from({ length: count }, (_, i) => input.toString('latin1', bounds[2 * i], bounds[2 * i + 1]));
  const joined = prefixLengths(Buffer.from(input), 0, bounds, count);
  const again = [...nalUnits(joined, 4)].map((unit) => unit.toString('latin1'));
  holdSame(
    again,
    units.filter((unit) => unit.length > 0),
    'units behind their lengths',
  );
}

/** PES packets of a seed, as `runPes` takes them. */
function pesSeed(stream: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at + PACKET <= Math.min(stream.length, 40 * PACKET); at += PACKET) {
    const hasStart = (stream[at + 1]! & 0x40) !== 0;
    const payload = at + 4 + ((stream[at + 3]! & 0x20) !== 0 ? 1 + stream[at + 4]! : 0);
    const data = stream.subarray(payload, Math.min(payload + 0x70, at + PACKET));
    pieces.push(Buffer.from([(hasStart ? 0x80 : 0) | data.length]), data);
  }
  return Buffer.concat(pieces);
}

/** Everything that looks into what SRT publishers send. */
export const SRT_MEDIA_TARGETS: readonly FuzzTarget[] = [
  { name: 'ts-to-media', seeds: tsSeeds, run: runPayloads },
  { name: 'matroska', seeds: matroskaSeeds, run: runPayloads },
  { name: 'ts-pes', seeds: tsSeeds.map(pesSeed), run: runPes },
  {
    name: 'ts-tables',
    seeds: tsSeeds.map((stream) => Buffer.concat([stream.subarray(192, 376), stream.subarray(380, 564)])),
    run: runSections,
  },
  { name: 'byte-stream', seeds: tsSeeds.map(pesSeed), run: runByteStream },
];
