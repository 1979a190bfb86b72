import { describe, expect, it } from 'vitest';
import { parseYaml } from './yaml-file.ts';

const parse = (...lines: string[]) => parseYaml('hw.yaml', lines.join('\n'));

describe('parseYaml', () => {
  it('flattens groups and remembers where each value stands', () => {
    expect(parse('rtmp:', '  listen: localhost:1935', 'store:', '  s3: {region: eu-1}')).toEqual({
      problems: [],
      given: [
        { key: 'rtmp.listen', value: 'localhost:1935', where: 'hw.yaml:2:11: rtmp.listen' },
        { key: 'store.s3.region', value: 'eu-1', where: 'hw.yaml:4:16: store.s3.region' },
      ],
    });
  });

  it.each([[''], ['# nothing'], ['rtmp:'], ['---']])('takes %j as no settings', (text) => {
    expect(parse(text)).toEqual({ given: [], problems: [] });
  });

  it('takes an empty value as null', () => {
    expect(parse('http:', '  listen:').given).toMatchObject([{ key: 'http.listen', value: null }]);
  });

  it('follows anchors', () => {
    const { given, problems } = parse('limits: &one {request: &t 3s}', 'relay: {holdViewers: *t}');
    expect(problems).toEqual([]);
    expect(given.map(({ key, value }) => [key, value])).toEqual([
      ['limits.request', '3s'],
      ['relay.holdViewers', '3s'],
    ]);
  });

  it.each([
    [['recrod:', '  all: true'], 'hw.yaml:1:1: unknown key recrod; the nearest is record'],
    [
      ['record:', '  segmentDuratoin: 6s'],
      'hw.yaml:2:3: unknown key record.segmentDuratoin; the nearest is record.segmentDuration',
    ],
    [['segmentDuration: 6s'], 'hw.yaml:1:1: unknown key segmentDuration; the nearest is record.segmentDuration'],
    [['upload:', '  onFull: x'], 'hw.yaml:2:3: unknown key upload.onFull; the nearest is spool.onFull'],
    [['? [a]', ': b'], /^hw.yaml:1:3: unknown key/],
    [['rtmp: 1935'], 'hw.yaml:1:7: rtmp must be a group of keys: listen, chunkSize'],
    [['- a'], /^hw.yaml:1:1: the file must be a group of keys: rtmp, rtmps, srt, http,/],
    [['rtmp:', '  listen: a', '  listen: b'], /^hw.yaml:3:3: Map keys must be unique/],
    [['rtmp: {'], /^hw.yaml:1:\d+: /],
    [['a: *nowhere'], /^hw.yaml:1:/],
  ])('%j', (lines, message) => {
    const { problems } = parse(...lines);
    expect(problems).toEqual([typeof message === 'string' ? message : expect.stringMatching(message)]);
  });
});
