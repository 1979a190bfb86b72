import { expect, it } from 'vitest';
import type { Hub } from '../relay/hub.ts';
import { type BacklogView, StreamViews } from './stream-view.ts';

it('works out what waits for the store once a request, however many streams there are', () => {
  const paths = Array.from({ length: 50 }, (_, i) => `live/${i}`);
  const waiting = new Map<string, BacklogView>(paths.map((path, i) => [path, { upload: { i }, secondsAtRisk: i }]));
  let passes = 0;
  const hub = { streams: new Map() } as unknown as Hub;
  const srt = { publisherView: () => undefined, viewerViews: () => [] };
  const views = new StreamViews(hub, () => undefined, srt, {
    paths: () => paths,
    recording: () => undefined,
    recordings: () => [],
    backlogs: () => {
      passes += 1;
      return waiting;
    },
  });
  const streams = views.streams() as readonly { path: string; upload: object; secondsAtRisk: number }[];
  expect(passes).toBe(1);
  expect(streams).toHaveLength(50);
  for (const { path, ...stream } of streams) expect(stream).toMatchObject(waiting.get(path)!);
  expect(views.stream('live/7')).toMatchObject({ path: 'live/7', upload: { i: 7 }, secondsAtRisk: 7 });
  expect(passes).toBe(2);
  expect(views.stream('live/none')).toBeUndefined();
});
