import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { DESCRIPTION } from '../../../test/support/encoded-clip.ts';
import { expectDecodes, probe, runFfmpeg } from '../../../test/support/ffmpeg.ts';
import { readPackets } from '../../../test/support/real-packets.ts';
import { TempDir } from '../../../test/support/temp-dir.ts';
import { encodeFlvFragment, encodeFlvStart, FLV_DURATION_AT, FLV_FILESIZE_AT } from './file.ts';
import { scanFlv } from './file-scan.ts';
import type { FlvTag } from './file-tag.ts';

const folder = new TempDir('flv');
afterAll(() => folder[Symbol.dispose]());

const METADATA = new Map<string, unknown>([
  ['duration', 99],
  ['width', 160],
  ['encoder', 'a test'],
  ['list', [1, 'two', null]],
]);

/** Tags of an FLV file that ffmpeg wrote. */
function tagsOf(file: Buffer): FlvTag[] {
  const tags: FlvTag[] = [];
  for (let at = 13; at + 11 <= file.length; ) {
    const length = file.readUIntBE(at + 1, 3);
    const timestamp = file.readUIntBE(at + 4, 3) + file.readUInt8(at + 7) * 2 ** 24;
    tags.push({ type: file[at] as FlvTag['type'], timestamp, body: file.subarray(at + 11, at + 11 + length) });
    at += 11 + length + 4;
  }
  return tags;
}

function rewrite(tags: readonly FlvTag[]): { bytes: Buffer; fragments: number } {
  const isHeader = ({ type, body }: FlvTag) => (type === 9 || type === 8) && body[1] === 0;
  const headers = tags.filter(isHeader);
  const codecs = ['h264', 'aac'];
  const start = encodeFlvStart({
    ...{ description: DESCRIPTION, metadata: METADATA, codecs, hasVideo: true, hasAudio: true, headers },
  });
  const pieces = [start.bytes];
  const media = tags.filter((tag) => tag.type !== 18 && !isHeader(tag));
  let fragments = 0;
  for (let at = 0; at < media.length; at += 20) {
    const some = media.slice(at, at + 20);
    fragments += 1;
    const [from, end] = [some[0]!.timestamp * 90, some.at(-1)!.timestamp * 90 + 3600];
    const mark = { start: from, end, allFrom: from, allThrough: end, key: at === 0 };
    pieces.push(...encodeFlvFragment(fragments, some, mark).buffers);
  }
  return { bytes: Buffer.concat(pieces), fragments };
}

describe('FLV files', () => {
  it('play in ffmpeg with every packet and its times, before and after they are finished', async () => {
    const source = folder.join('source.flv');
    const video = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '25', '-bf', '2', '-pix_fmt', 'yuv420p'];
    const inputs = ['-f', 'lavfi', '-i', 'testsrc2=s=160x120:r=25:d=3', '-f', 'lavfi', '-i', 'sine=d=3'];
    await runFfmpeg(['-y', ...inputs, ...video, '-c:a', 'aac', source]);
    const { bytes, fragments } = rewrite(tagsOf(readFileSync(source)));
    const path = folder.join('ours.flv');
    writeFileSync(path, bytes);
    const bare = async (file: string) =>
      (await readPackets(file)).map(({ codec, packets }) => ({
        codec,
        packets: packets.map(({ dts, pts, key, hash }) => ({ dts, pts, key, hash })),
      }));
    const wanted = await bare(source);
    expect(wanted.map(({ packets }) => packets.length)).toEqual([75, expect.any(Number)]);
    expect(await bare(path)).toEqual(wanted);
    await expectDecodes(path);

    bytes.writeDoubleBE(3.25, FLV_DURATION_AT);
    bytes.writeDoubleBE(bytes.length, FLV_FILESIZE_AT);
    writeFileSync(path, bytes);
    const { format } = await probe(path);
    expect(Number(format.duration)).toBe(3.25);
    expect(await bare(path)).toEqual(wanted);
    const found = await scanFlv((at, length) => bytes.subarray(at, at + length), bytes.length);
    expect(found).toMatchObject({ damage: [], validBytes: bytes.length, description: DESCRIPTION });
    expect(found.fragments).toHaveLength(fragments);
  });

  it('keeps the other metadata, and the header checksum tells tracks apart and nothing else', () => {
    const start = (seq: number, body: string) =>
      encodeFlvStart({
        description: { ...DESCRIPTION, seq },
        metadata: METADATA,
        codecs: ['h264'],
        hasVideo: true,
        hasAudio: false,
        headers: [{ type: 9, body: Buffer.from(body) }],
      });
    const { bytes, crc } = start(1, 'one');
    expect(bytes.toString('latin1')).toContain('a test');
    expect(bytes.readDoubleBE(FLV_DURATION_AT)).toBe(0);
    expect(bytes.readUInt8(4)).toBe(1);
    expect(start(2000, 'one').crc).toBe(crc);
    expect(start(1, 'two').crc).not.toBe(crc);
  });

  it('refuses a body that no tag can hold, and a fragment without tags', () => {
    const body = Buffer.alloc(2 ** 24);
    const mark = { start: 0, end: 0, allFrom: 0, allThrough: 0, key: true };
    const fault = expect.objectContaining({ code: 'ERR_FLV_FILE' });
    expect(() => encodeFlvFragment(1, [{ type: 9, timestamp: 0, body }], mark)).toThrow(fault);
    expect(() => encodeFlvFragment(1, [], mark)).toThrow(fault);
  });
});
