import { readdirSync, readFileSync } from 'node:fs';
import { RtmpToMedia } from '../../ingest/adapt/rtmp-to-media.ts';
import { type DescribedCodec, describeCodec } from '../../ingest/codec/describe.ts';
import { inbandParameterSets } from '../../ingest/codec/parameter-sets.ts';
import type { MediaEvent } from '../../ingest/media/media-event.ts';
import { encodeAudioTag, parseAudioTag } from '../../ingest/protocol/flv/audio-tag.ts';
import { scanFlv } from '../../ingest/protocol/flv/file-scan.ts';
import { encodeVideoTag, parseVideoTag } from '../../ingest/protocol/flv/video-tag.ts';
import { hdrOfTag } from '../../ingest/protocol/fmp4/hdr-metadata.ts';
import { scanMp4 } from '../../ingest/protocol/fmp4/scan.ts';
import type { ReadAt, SegmentScan } from '../../ingest/protocol/fmp4/segment-scan.ts';
import { ProtocolError } from '../../ingest/protocol/protocol-error.ts';
import { codecFixture } from '../support/codec-fixture.ts';
import { flvFixture } from '../support/flv-fixture.ts';
import { checkEvents } from './check-events.ts';
import { type FuzzTarget, hold } from './target.ts';

const FIXTURES = new URL('../fixtures/', import.meta.url);
const namesIn = (folder: string, extension: string): string[] =>
  readdirSync(new URL(folder, FIXTURES))
    .filter((name) => name.endsWith(extension))
    .sort();

const codecSeeds = namesIn('codec/', '.json').map((name) => codecFixture(name.slice(0, -'.json'.length)));
const flvTags = namesIn('flv/', '.flv').map((name) => flvFixture(name.slice(0, -'.flv'.length)));
const segments = (extension: string): Buffer[] =>
  namesIn('mp4/', extension).map((name) => readFileSync(new URL(`mp4/${name}`, FIXTURES)));

const CODECS: readonly DescribedCodec[] = [
  'h264',
  'h265',
  'h266',
  'av1',
  'vp9',
  'vp8',
  'aac',
  'opus',
  'flac',
  'ac3',
  'eac3',
  'mp3',
];

/** Whatever the parser makes of it, or a ProtocolError. */
function orFault<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    hold(error.action === 'skip', `${error.code} of a message is skipped`);
    return undefined;
  }
}

function runVideoTag(body: Buffer): void {
  const tag = orFault(() => parseVideoTag(body));
  hdrOfTag(body);
  if (tag === undefined) return;
  for (const part of tag.parts) hold(part.data.length <= body.length, 'a part is no longer than its message');
  if (tag.parts.length > 0 && tag.parts.every(({ codec }) => codec !== undefined)) orFault(() => encodeVideoTag(tag));
}

function runAudioTag(body: Buffer): void {
  const tag = orFault(() => parseAudioTag(body));
  if (tag === undefined) return;
  for (const part of tag.parts) hold(part.data.length <= body.length, 'a part is no longer than its message');
  if (tag.parts.length > 0 && tag.parts.every(({ codec }) => codec !== undefined)) orFault(() => encodeAudioTag(tag));
}

/** Messages as a row of type u8, time u32, length u24, body: what mutations then cut and mix. */
function joinMessages(tags: readonly { type: number; timestamp: number; body: Buffer }[]): Buffer {
  return Buffer.concat(
    tags.flatMap(({ type, timestamp, body }) => {
      const head = Buffer.alloc(8);
      head[0] = type;
      head.writeUInt32BE(timestamp, 1);
      head.writeUIntBE(body.length, 5, 3);
      return [head, body];
    }),
  );
}

function runAdapter(input: Buffer): void {
  const events: MediaEvent[] = [];
  const adapter = new RtmpToMedia({ onEvent: (event) => events.push(event) }, { onSkipped() {} });
  for (let at = 0; at + 8 <= input.length; ) {
    const type = ([8, 9, 18] as const)[(input[at] as number) % 3 === 2 ? 0 : input[at] === 18 ? 2 : 1];
    const length = Math.min(input.readUIntBE(at + 5, 3), input.length - at - 8);
    adapter.push(
      { type, timestamp: input.readUInt32BE(at + 1), body: Buffer.from(input.subarray(at + 8, at + 8 + length)) },
      at,
    );
    at += 8 + length;
  }
  adapter.end('lost');
  checkEvents(events);
}

function runCodecs(input: Buffer): void {
  const at = Math.min(input[0] ?? 0, input.length);
  const [record, frame] = [input.subarray(1, 1 + at), input.subarray(1 + at)];
  for (const codec of CODECS) {
    describeCodec(codec, record, frame);
    describeCodec(codec, input);
    inbandParameterSets(codec, record);
  }
}

function checkScan(scan: SegmentScan, size: number, isSalvage: boolean): void {
  hold(scan.validBytes >= 0 && scan.validBytes <= size, `${scan.validBytes} valid bytes of ${size}`);
  let end = scan.headerBytes;
  for (const fragment of scan.fragments) {
    hold(
      isSalvage ? fragment.offset >= end : fragment.offset === end,
      `a fragment at ${fragment.offset}, expected at ${end}`,
    );
    end = fragment.offset + fragment.bytes;
    hold(fragment.bytes > 0 && end <= size, `a fragment that ends at ${end} of ${size}`);
  }
  if (!isSalvage && scan.headerBytes > 0) hold(scan.validBytes === end, 'valid bytes end with the last fragment');
  for (const { offset, bytes } of scan.damage) hold(offset >= 0 && offset + bytes <= size, 'damage within the file');
}

function scanTarget(name: string, seeds: readonly Buffer[], scan: typeof scanMp4): FuzzTarget {
  return {
    name,
    seeds,
    run: async (input) => {
      const read: ReadAt = (offset, length) => input.subarray(offset, offset + length);
      for (const salvage of [false, true])
        checkScan(await scan(read, input.length, { salvage }), input.length, salvage);
    },
  };
}

/** Everything that looks into media. */
export const MEDIA_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'flv-video',
    seeds: flvTags
      .flat()
      .filter(({ type }) => type === 9)
      .map(({ body }) => body),
    run: runVideoTag,
  },
  {
    name: 'flv-audio',
    seeds: flvTags
      .flat()
      .filter(({ type }) => type === 8)
      .map(({ body }) => body),
    run: runAudioTag,
  },
  { name: 'rtmp-to-media', seeds: flvTags.map(joinMessages), run: runAdapter },
  {
    name: 'codec-records',
    seeds: codecSeeds
      .flatMap(({ record, frames }) => [
        Buffer.concat([Buffer.of(Math.min(record.length, 255)), record, frames[0] ?? Buffer.alloc(0)]),
        record,
        ...frames.slice(0, 2),
      ])
      .filter((seed) => seed.length > 0),
    run: runCodecs,
  },
  scanTarget('mp4-scan', segments('.mp4'), scanMp4),
  scanTarget('flv-scan', segments('.flv'), scanFlv),
];
