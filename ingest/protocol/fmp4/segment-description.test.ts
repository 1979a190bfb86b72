import { describe, expect, it } from 'vitest';
import { DESCRIPTION } from '../../../test/support/encoded-clip.ts';
import { encodeDescription, parseDescription } from './segment-description.ts';

const TRACKS = [
  { id: 1, codec: 'h264' },
  { id: 2, codec: 'aac' },
];

describe('segment descriptions', () => {
  it('come back as they were', () => {
    const json = encodeDescription(DESCRIPTION, TRACKS);
    expect(parseDescription(json)).toEqual({ ...DESCRIPTION, tracks: TRACKS });
  });

  it('drop fields that this version does not know', () => {
    const json = JSON.stringify({ ...DESCRIPTION, tracks: TRACKS, later: 1 });
    expect(parseDescription(json)).toEqual({ ...DESCRIPTION, tracks: TRACKS });
  });

  it.each([
    ...['', '{', 'null', '7', '[]', '{}'].map((json) => ({ json })),
    { json: JSON.stringify({ ...DESCRIPTION, tracks: TRACKS, version: 2 }) },
    ...Object.keys(DESCRIPTION).map((key) => ({ json: JSON.stringify({ ...DESCRIPTION, tracks: TRACKS, [key]: {} }) })),
    ...[undefined, 1, [null], [{ id: 'x', codec: 'aac' }], [{ id: 1 }]].map((tracks) => ({
      json: JSON.stringify({ ...DESCRIPTION, tracks }),
    })),
    { json: JSON.stringify({ ...DESCRIPTION, tracks: TRACKS, seq: 1.5 }) },
  ])('are refused when broken: $json', ({ json }) => {
    expect(parseDescription(json)).toBeUndefined();
  });
});
