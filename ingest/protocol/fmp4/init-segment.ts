import { crc32 } from 'node:zlib';
import { ByteWriter } from '../../bytes/byte-writer.ts';
import { Fault } from '../../runtime/fault.ts';
import { writeBox, writeFullBox } from './boxes.ts';
import { MP4_TIMESCALE } from './fragment.ts';
import { tracksCrc } from './init-reader.ts';
import { HEADER_UUID } from './integrity-box.ts';
import { describeTrack, type Mp4Track } from './mp4-track.ts';
import { type SampleEntry, writeSampleEntry } from './sample-entry.ts';
import { encodeDescription, type SegmentDescription } from './segment-description.ts';

/** How the header is written. */
export interface InitOptions {
  /** Parameter sets stand in the samples too (`avc3`, `hev1`, `vvi1` instead of `avc1`, `hvc1`, `vvc1`). */
  readonly inBandParameterSets?: boolean;
}

/** The header of a segment. */
export interface EncodedInit {
  readonly bytes: Buffer;
  /** CRC-32 of the header without its description: equal in two segments with the same tracks. */
  readonly crc: number;
}

/** `track_enabled | track_in_movie` (ISO 14496-12 §8.3.2). */
const TKHD_FLAGS = 3;
/** 1.0 in 16.16, and the unity matrix of tkhd and mvhd. */
const ONE = 0x0001_0000;
const MATRIX = [ONE, 0, 0, 0, ONE, 0, 0, 0, 0x4000_0000];
/** 'und', three times five bits. */
const LANGUAGE_UNDETERMINED = 0x55c4;
const FULL_VOLUME = 0x0100;
const DATA_IN_THIS_FILE = 1;

/**
 * `ftyp moov` (ISO 14496-12), all timescales 90,000, ending with the description and the header's own CRC-32 (integrity-box.ts).
 * No edit lists and no creation times: times are those of the source, and equal tracks make equal bytes.
 * @throws Fault ERR_FMP4_TRACK when there is no track, or one is not describable.
 */
export function encodeInitSegment(
  tracks: readonly Mp4Track[],
  description: SegmentDescription,
  options: InitOptions = {},
): EncodedInit {
  if (tracks.length === 0) throw new Fault('ERR_FMP4_TRACK', 'a segment needs at least one track');
  const entries = tracks.map((track) => {
    const entry = describeTrack(track, options.inBandParameterSets ?? false);
    if (entry === undefined)
      throw new Fault('ERR_FMP4_TRACK', `track ${track.id} (${track.codec}) cannot be described`);
    return { id: track.id, entry };
  });
  const writer = new ByteWriter(1024 + 1024 * tracks.length);
  writeFtyp(writer, tracks);
  const moovAt = writer.length;
  let descriptionAt = 0;
  writeBox(writer, 'moov', (moov) => {
    writeMvhd(moov, Math.max(...tracks.map((track) => track.id)) + 1);
    for (const { id, entry } of entries) writeTrak(moov, id, entry);
    writeBox(moov, 'mvex', (mvex) => {
      for (const { id } of entries) {
        writeFullBox(mvex, 'trex', 0, 0, (trex) => trex.u32(id).u32(1).u32(0).u32(0).u32(0));
      }
    });
    descriptionAt = moov.length;
    writeBox(moov, 'uuid', (uuid) => uuid.bytes(HEADER_UUID).utf8(encodeDescription(description, tracks)).u32(0));
  });
  const bytes = writer.finish();
  bytes.writeUInt32BE(crc32(bytes.subarray(0, bytes.length - 4)), bytes.length - 4);
  return { bytes, crc: tracksCrc(bytes, moovAt, descriptionAt) };
}

function writeFtyp(writer: ByteWriter, tracks: readonly Mp4Track[]): void {
  // iso6: signed composition offsets, tfdt and default-base-is-moof.
  writeBox(writer, 'ftyp', (ftyp) => {
    ftyp.latin1('iso6').u32(0).latin1('iso6').latin1('mp41');
    if (tracks.some((track) => track.codec === 'av1')) ftyp.latin1('av01');
  });
}

function writeMvhd(moov: ByteWriter, nextTrackId: number): void {
  writeFullBox(moov, 'mvhd', 0, 0, (mvhd) => {
    mvhd.u32(0).u32(0).u32(MP4_TIMESCALE).u32(0).u32(ONE).u16(FULL_VOLUME).fill(10);
    for (const value of MATRIX) mvhd.u32(value);
    mvhd.fill(24).u32(nextTrackId);
  });
}

function writeTrak(moov: ByteWriter, id: number, entry: SampleEntry): void {
  writeBox(moov, 'trak', (trak) => {
    writeTkhd(trak, id, entry);
    writeBox(trak, 'mdia', (mdia) => {
      writeFullBox(mdia, 'mdhd', 0, 0, (mdhd) => {
        mdhd.u32(0).u32(0).u32(MP4_TIMESCALE).u32(0).u16(LANGUAGE_UNDETERMINED).u16(0);
      });
      writeFullBox(mdia, 'hdlr', 0, 0, (hdlr) => {
        hdlr
          .u32(0)
          .latin1(entry.kind === 'video' ? 'vide' : 'soun')
          .fill(12)
          .latin1(entry.kind)
          .u8(0);
      });
      writeBox(mdia, 'minf', (minf) => writeMinf(minf, entry));
    });
  });
}

function writeTkhd(trak: ByteWriter, id: number, entry: SampleEntry): void {
  writeFullBox(trak, 'tkhd', 0, TKHD_FLAGS, (tkhd) => {
    tkhd.u32(0).u32(0).u32(id).u32(0).u32(0).fill(8).u16(0).u16(0);
    tkhd.u16(entry.kind === 'audio' ? FULL_VOLUME : 0).u16(0);
    for (const value of MATRIX) tkhd.u32(value);
    const [width, height] = entry.kind === 'video' ? [entry.width, entry.height] : [0, 0];
    tkhd.u16(width).u16(0).u16(height).u16(0);
  });
}

function writeMinf(minf: ByteWriter, entry: SampleEntry): void {
  if (entry.kind === 'video') writeFullBox(minf, 'vmhd', 0, 1, (vmhd) => vmhd.fill(8));
  else writeFullBox(minf, 'smhd', 0, 0, (smhd) => smhd.fill(4));
  writeBox(minf, 'dinf', (dinf) => {
    writeFullBox(dinf, 'dref', 0, 0, (dref) => {
      dref.u32(1);
      writeFullBox(dref, 'url ', 0, DATA_IN_THIS_FILE, () => {});
    });
  });
  writeBox(minf, 'stbl', (stbl) => {
    writeFullBox(stbl, 'stsd', 0, 0, (stsd) => writeSampleEntry(stsd.u32(1), entry));
    for (const type of ['stts', 'stsc', 'stco']) writeFullBox(stbl, type, 0, 0, (table) => table.u32(0));
    writeFullBox(stbl, 'stsz', 0, 0, (stsz) => stsz.u32(0).u32(0));
  });
}
