import { describe, expect, it } from 'vitest';
import { METRICS } from '../runtime/meter.ts';
import { Metrics } from './metrics.ts';

const linesOf = async (metrics: Metrics, name: string) =>
  (await metrics.text()).split('\n').filter((line) => line.startsWith(name) && !line.startsWith('#'));

describe('Metrics', () => {
  it('counts, with and without a label', async () => {
    using metrics = new Metrics();
    metrics.count('headwater_viewer_cuts_total');
    metrics.count('headwater_viewer_dropped_frames_total', null, 7);
    metrics.count('headwater_gaps_total', 'loss');
    metrics.count('headwater_gaps_total', 'loss');
    metrics.count('headwater_gaps_total', 'clock', 3);
    expect(await linesOf(metrics, 'headwater_viewer_')).toEqual([
      'headwater_viewer_cuts_total 1',
      'headwater_viewer_dropped_frames_total 7',
    ]);
    expect(await linesOf(metrics, 'headwater_gaps')).toEqual([
      'headwater_gaps_total{cause="loss"} 2',
      'headwater_gaps_total{cause="clock"} 3',
    ]);
  });

  it('reads a gauge at each scrape, and forgets labels that are gone', async () => {
    using metrics = new Metrics();
    let viewers = new Map([
      ['rtmp', 2],
      ['http', 1],
    ]);
    let streams = 1;
    metrics.gauge('headwater_viewers', () => viewers);
    metrics.gauge('headwater_streams', () => streams);
    expect(await linesOf(metrics, 'headwater_viewers{')).toEqual([
      'headwater_viewers{protocol="rtmp"} 2',
      'headwater_viewers{protocol="http"} 1',
    ]);
    viewers = new Map([['rtmp', 3]]);
    streams = 5;
    expect(await linesOf(metrics, 'headwater_viewers{')).toEqual(['headwater_viewers{protocol="rtmp"} 3']);
    expect(await linesOf(metrics, 'headwater_streams')).toEqual(['headwater_streams 5']);
  });

  it('takes the latest function for a gauge', async () => {
    using metrics = new Metrics();
    metrics.gauge('headwater_streams', () => 1);
    metrics.gauge('headwater_streams', () => 2);
    expect(await linesOf(metrics, 'headwater_streams')).toEqual(['headwater_streams 2']);
  });

  it('sorts what it observes into buckets of seconds', async () => {
    using metrics = new Metrics();
    metrics.observe('headwater_fragment_sync_seconds', 0.003);
    metrics.observe('headwater_fragment_sync_seconds', 1.1);
    const lines = await linesOf(metrics, 'headwater_fragment_sync_seconds');
    expect(lines).toContain('headwater_fragment_sync_seconds_bucket{le="0.0025"} 0');
    expect(lines).toContain('headwater_fragment_sync_seconds_bucket{le="0.005"} 1');
    expect(lines).toContain('headwater_fragment_sync_seconds_bucket{le="2.5"} 2');
    expect(lines).toContain('headwater_fragment_sync_seconds_count 2');
  });

  it('tells how long the event loop was blocked, since the last scrape only', async () => {
    using metrics = new Metrics();
    const delay = async () => Number((await linesOf(metrics, 'headwater_event_loop_delay_seconds'))[0]!.split(' ')[1]);
    await new Promise((done) => setTimeout(done, 50));
    const end = performance.now() + 300;
    while (performance.now() < end);
    await new Promise((done) => setTimeout(done, 50));
    const blocked = await delay();
    expect(blocked).toBeGreaterThan(0.2);
    const later: number[] = [];
    for (let scrape = 0; scrape < 5; scrape += 1) {
      await new Promise((done) => setTimeout(done, 50));
      later.push(await delay());
    }
    expect(Math.min(...later)).toBeLessThan(blocked / 2);
  });

  it('has every counter and histogram from the start, and the process’s own', async () => {
    using metrics = new Metrics(() => true);
    const text = await metrics.text();
    for (const [name, { type }] of Object.entries(METRICS)) {
      if (type !== 'gauge') expect(text).toContain(`# TYPE ${name} ${type}`);
    }
    expect(text).toContain('process_resident_memory_bytes');
  });

  it('leaves out what another kind of process has', async () => {
    using metrics = new Metrics();
    expect(await metrics.text()).not.toContain('headwater_operator_');
  });
});
