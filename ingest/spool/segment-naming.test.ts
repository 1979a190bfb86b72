import { expect, it } from 'vitest';
import { headerOf } from '../../test/support/spooled-segments.ts';
import { SegmentNaming } from './segment-naming.ts';

const SETTINGS = { layout: 'standard', segmentPattern: null, segmentUtc: true, segmentDuration: 6000 } as const;
const start = new Date('2026-01-02T03:04:05Z');
const NOTHING = { list: async () => [], has: async () => false };

it('names segments as their stream says, else as the settings do', async () => {
  const naming = new SegmentNaming({ ...SETTINGS, segmentPattern: '%s_%d' }, () => NOTHING);
  const place = { ...headerOf({ path: 'team/cam', recording: 'r', epoch: 7, pub: 'abcdefgh' }), seq: 1, start };
  expect(await naming.take(place)).toBe('team_cam_1.mp4');
  expect(await naming.take({ ...place, segmentPattern: '%p/%D/%03d' })).toBe('team/cam/02/001.mp4');
  expect(await naming.take({ ...place, segmentPattern: null })).toBe('team/cam/r/seg7-abcdefgh-000001.mp4');
  expect(naming.layoutOf({ segmentPattern: null }).isUnique).toBe(true);
  expect(naming.layoutOf({})).toBe(naming.layoutOf({}));
});

it('counts in each store and pattern by itself, and goes on above what waits since a restart', async () => {
  const asked: (string | undefined)[] = [];
  const naming = new SegmentNaming(SETTINGS, (url) => {
    asked.push(url);
    return NOTHING;
  });
  const place = (url: string, seq: number) => ({
    ...headerOf({ path: 'team/cam' }),
    store: { url, endpoint: null, region: null, forcePathStyle: null, hasOwnCredentials: true },
    segmentPattern: '%p/%02d',
    ...{ seq, start },
  });
  naming.note(place('s3://one', 1), 'team/cam/07.mp4');
  const keys = [];
  for (const url of ['s3://one', 's3://other', 's3://one']) keys.push(await naming.take(place(url, 2)));
  expect(keys).toEqual(['team/cam/08.mp4', 'team/cam/01.mp4', 'team/cam/09.mp4']);
  expect(asked).toEqual(['s3://one', 's3://other']);
});
