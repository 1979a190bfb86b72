import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fixtureNames, messages, PayloadRun, tsFixture } from '../../test/support/payload-run.ts';
import { parseAacConfig } from '../codec/aac.ts';
import { nalUnits } from '../codec/nal-units.ts';
import { isVideoTrack } from '../media/media-event.ts';

const run = (name: string): PayloadRun => new PayloadRun(messages(tsFixture(name)));

describe('TsToMedia, on what ffmpeg sends', () => {
  it('h264-aac: times as they are in the stream', () => {
    const { lines, skipped } = run('h264-aac');
    expect(lines.slice(0, 8)).toMatchInlineSnapshot(`
      [
        "v0 config h264",
        "v0 K 1400+80",
        "v0 p 1440+160",
        "v0 p 1480+40",
        "v0 p 1520+40",
        "v0 p 1560+80",
        "v0 K 1600+80",
        "v0 p 1640+160",
      ]
    `);
    expect(lines.at(-1)).toBe('end unpublish');
    expect(skipped).toEqual([]);
  });

  it.each([
    ['h264-aac', ['v0 h264 10', 'a0 aac 20']],
    ['h264-latm', ['v0 h264 10', 'a0 aac 20']],
    ['h265-ac3', ['v0 h265 10', 'a0 ac3 13']],
    ['h266-eac3', ['v0 h266 10', 'a0 eac3 13']],
    ['h264-opus', ['v0 h264 10', 'a0 opus 21']],
    ['two-sounds', ['v0 h264 10', 'a0 mp3 18', 'a1 aac 20']],
    ['h264-interlaced', ['v0 h264 10']],
    ['h264-refresh', ['v0 h264 20']],
  ])('%s: every frame of every stream', (name, want) => {
    const { events, frames, skipped } = run(name);
    const configs = events.filter((event) => event.kind === 'config').sort((a, b) => a.track - b.track);
    expect(skipped).toEqual([]);
    expect(
      configs.map(({ track, codec }) => {
        const kind = isVideoTrack(track) ? 'v' : 'a';
        return `${kind}${track & 255} ${codec} ${frames.filter((frame) => frame.track === track).length}`;
      }),
    ).toEqual(want);
  });

  it.each(fixtureNames('ts'))('%s: any split gives the same events', (name) => {
    const bytes = tsFixture(name);
    const whole = new PayloadRun([bytes]);
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 40 }), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        const pieces = at.slice(1).map((to, i) => bytes.subarray(at[i], to));
        const cut = new PayloadRun(pieces);
        expect(cut.traces).toEqual(whole.traces);
        expect(cut.starts).toEqual(whole.starts);
      }),
      { numRuns: 30 },
    );
  });

  it.each(fixtureNames('ts'))('%s: the transport stream goes on as it came, and says where to start', (name) => {
    const bytes = tsFixture(name);
    const { parts, starts, tables } = new PayloadRun(messages(bytes, 1000));
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
    // ffmpeg flags recovery points for random access too.
    expect(starts).toHaveLength(name === 'h264-refresh' ? 4 : name.startsWith('h266') ? 1 : 2);
    for (const at of starts) expect(bytes.readUInt32BE(at)).toBe(0x47410030 | (bytes[at + 3]! & 15));
    for (const packets of tables) {
      expect(packets.length).toBe(376);
      expect([packets.readUIntBE(1, 2), packets.readUIntBE(189, 2)]).toEqual([0x4000, 0x5000]);
    }
  });

  it('parameter sets and delimiters are in no frame, but SEI is', () => {
    const types = run('h264-aac').frames.filter(({ track }) => track === 0);
    expect(types.map(({ data }) => [...nalUnits(data, 4)].map((unit) => unit[0]! & 31))[0]).toEqual([6, 5]);
    expect(types.flatMap(({ data }) => [...nalUnits(data, 4)].map((unit) => unit[0]! & 31))).not.toContain(7);
  });

  it('the sound of LATM is that of ADTS', () => {
    const [latm, adts] = ['h264-latm', 'h264-aac'].map((name) => run(name));
    const record = latm!.events.find((event) => event.kind === 'config' && event.codec === 'aac');
    expect(parseAacConfig((record as { record: Buffer }).record)).toMatchObject({ objectType: 2, sampleRate: 48_000 });
    const times = (from: PayloadRun): number[] => from.frames.filter(({ track }) => track > 255).map(({ dts }) => dts);
    expect(times(latm!)).toEqual(times(adts!));
  });

  it('says what players are told in metadata', () => {
    const all = run('h264-aac').events.filter((event) => event.kind === 'metadata');
    expect(all.map(({ values }) => [...values.keys()].join())).toEqual([
      'hasVideo,hasAudio',
      'hasVideo,hasAudio,width,height,framerate,videocodecid,audiosamplerate,audiochannels,stereo,audiocodecid',
    ]);
    expect(Object.fromEntries(all[1]!.values)).toMatchObject({
      width: 64,
      height: 48,
      framerate: 25,
      audiocodecid: 10,
    });
  });
});
