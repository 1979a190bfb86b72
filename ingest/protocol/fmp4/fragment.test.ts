import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFragment, type Mp4Sample, RTMP_DATA_SCHEME, type TrackRun } from './fragment.ts';

const sample = (dts: number, fields: Partial<Mp4Sample> = {}): Mp4Sample => ({
  dts,
  duration: 3600,
  compositionOffset: 0,
  key: false,
  data: Buffer.from(`sample at ${dts}`),
  ...fields,
});

const key = (dts: number, fields: Partial<Mp4Sample> = {}): Mp4Sample => sample(dts, { ...fields, key: true });

/** What a reader that knows ISO 14496-12 §8.8 alone gets out of a fragment: the samples by track. */
function read(file: Buffer): { trackId: number; dts: number; offset: number; key: boolean; data: string }[] {
  const found: ReturnType<typeof read> = [];
  let at = 0;
  while (file.toString('latin1', at + 4, at + 8) !== 'moof') at += file.readUInt32BE(at);
  const moofAt = at;
  const end = at + file.readUInt32BE(at);
  for (at += 8; at < end; at += file.readUInt32BE(at)) {
    if (file.toString('latin1', at + 4, at + 8) !== 'traf') continue;
    const trafEnd = at + file.readUInt32BE(at);
    let trackId = 0;
    let defaults = 0;
    let dts = 0;
    for (let box = at + 8; box < trafEnd; box += file.readUInt32BE(box)) {
      const type = file.toString('latin1', box + 4, box + 8);
      if (type === 'tfhd') [trackId, defaults] = [file.readUInt32BE(box + 12), file.readUInt32BE(box + 16)];
      if (type === 'tfdt') dts = Number(file.readBigUInt64BE(box + 12));
      if (type !== 'trun') continue;
      const flags = file.readUInt32BE(box + 8) & 0xff_ffff;
      let dataAt = moofAt + file.readInt32BE(box + 16);
      let field = box + 20;
      const next = () => {
        field += 4;
        return field - 4;
      };
      for (let count = file.readUInt32BE(box + 12); count > 0; count -= 1) {
        const duration = file.readUInt32BE(next());
        const bytes = file.readUInt32BE(next());
        const sampleFlags = flags & 0x400 ? file.readUInt32BE(next()) : defaults;
        const offset = flags & 0x800 ? file.readInt32BE(next()) : 0;
        const data = file.toString('utf8', dataAt, dataAt + bytes);
        found.push({ trackId, dts, offset, key: (sampleFlags & 0x1_0000) === 0, data });
        dts += duration;
        dataAt += bytes;
      }
    }
  }
  return found;
}

const whole = (fragment: { buffers: readonly Buffer[] }): Buffer => Buffer.concat(fragment.buffers);

describe('encodeFragment', () => {
  it('says where every sample of every track is, when, and whether it is a key frame', () => {
    const runs: TrackRun[] = [
      { trackId: 1, samples: [key(2 ** 34), sample(2 ** 34 + 3600, { compositionOffset: 7200 })] },
      { trackId: 7, samples: [key(100), key(3700, { compositionOffset: -90 })] },
      { trackId: 9, samples: [] },
      { trackId: 2, samples: [sample(5, { prefix: Buffer.from('sets, ') })] },
    ];
    const fragment = encodeFragment(1, runs);
    expect(read(whole(fragment))).toEqual([
      { trackId: 1, dts: 2 ** 34, offset: 0, key: true, data: `sample at ${2 ** 34}` },
      { trackId: 1, dts: 2 ** 34 + 3600, offset: 7200, key: false, data: `sample at ${2 ** 34 + 3600}` },
      { trackId: 7, dts: 100, offset: 0, key: true, data: 'sample at 100' },
      { trackId: 7, dts: 3700, offset: -90, key: true, data: 'sample at 3700' },
      { trackId: 2, dts: 5, offset: 0, key: false, data: 'sets, sample at 5' },
    ]);
    expect(fragment).toMatchObject({ start: 5, end: 2 ** 34 + 7200, key: true });
    expect(fragment.bytes).toBe(whole(fragment).length);
  });

  it('gives back any samples', () => {
    const samples = fc.array(
      fc.record({
        duration: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        compositionOffset: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        key: fc.boolean(),
        data: fc.string({ maxLength: 50 }).map((text) => Buffer.from(text)),
      }),
      { minLength: 1, maxLength: 20 },
    );
    fc.assert(
      fc.property(fc.array(samples, { minLength: 1, maxLength: 4 }), fc.nat(2 ** 40), (tracks, start) => {
        const runs = tracks.map((list, index) => {
          let dts = start;
          const timed = list.map((fields) => {
            const at = dts;
            dts += fields.duration;
            return { dts: at, ...fields };
          });
          return { trackId: index + 1, samples: timed };
        });
        const wanted = runs.flatMap(({ trackId, samples: list }) =>
          list.map(({ dts, compositionOffset: offset, key: isKey, data }) => ({
            ...{ trackId, dts, offset, key: isKey, data: data.toString() },
          })),
        );
        expect(read(whole(encodeFragment(1, runs)))).toEqual(wanted);
      }),
    );
  });

  it('passes payloads on without a copy', () => {
    const [data, prefix] = [Buffer.alloc(1000), Buffer.alloc(10)];
    const { buffers } = encodeFragment(1, [{ trackId: 1, samples: [key(0, { data, prefix })] }]);
    expect(buffers[1]).toBe(prefix);
    expect(buffers[2]).toBe(data);
    expect(buffers).toHaveLength(4);
  });

  it('puts event messages in front', () => {
    const events = [
      { dts: 2 ** 33, data: Buffer.from('one') },
      { dts: 1, data: Buffer.from('two') },
    ];
    const file = whole(encodeFragment(1, [{ trackId: 1, samples: [key(0)] }], events));
    expect(file.toString('latin1', 4, 8)).toBe('emsg');
    const first = file.subarray(0, file.readUInt32BE(0));
    expect(first.readUInt8(8)).toBe(1);
    expect(first.readUInt32BE(12)).toBe(90_000);
    expect(Number(first.readBigUInt64BE(16))).toBe(2 ** 33);
    expect(first.toString('latin1', 32)).toBe(`${RTMP_DATA_SCHEME}\0\0one`);
    expect(read(file)).toHaveLength(1);
  });

  it.each([
    { name: 'no samples', runs: [{ trackId: 1, samples: [] }] },
    { name: 'a time before 0', runs: [{ trackId: 1, samples: [key(-1)] }] },
    { name: 'a duration before 0', runs: [{ trackId: 1, samples: [key(1, { duration: -1 })] }] },
    { name: 'a composition offset of 2³¹', runs: [{ trackId: 1, samples: [key(1, { compositionOffset: 2 ** 31 })] }] },
    { name: 'a time that is no whole number', runs: [{ trackId: 1, samples: [key(0.5)] }] },
  ])('refuses $name', ({ runs }) => {
    expect(() => encodeFragment(1, runs)).toThrow(expect.objectContaining({ code: 'ERR_FMP4_FRAGMENT' }));
  });
});
