import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RecordingStatus } from './record/recording-status.ts';
import { RecordingReports } from './recording-reports.ts';
import type { QueuedPublication, SpoolQueue } from './spool/spool-queue.ts';
import type { SpoolLevel } from './spool/watermark.ts';
import type { PublicationBacklog, StoreStatus, UploadStatus } from './upload/uploader.ts';

const NOW = Date.parse('2026-01-01T00:10:00Z');
const S3: StoreStatus = { available: true, url: 's3://b' };
const away = (seconds: number): StoreStatus => ({
  ...{
    available: false,
    url: 's3://b',
    code: 'ERR_STORE_UNREACHABLE',
    detail: 'no route',
    since: NOW - seconds * 1000,
  },
});

describe('what the operator is told of recordings', () => {
  let publications: QueuedPublication[];
  let backlog: PublicationBacklog[];
  let status: Partial<RecordingStatus> | undefined;
  let level: SpoolLevel;
  let changed: (publication: QueuedPublication) => void;
  let reports: RecordingReports;

  beforeEach(() => {
    vi.useFakeTimers({ now: NOW, toFake: ['Date'] });
    publications = [];
    backlog = [];
    status = undefined;
    level = 'ok';
    const queue: SpoolQueue = {
      get publications() {
        return publications;
      },
      onChange: (listener) => {
        changed = listener;
        return () => {};
      },
    };
    reports = new RecordingReports({
      queue,
      recorder: () => status as RecordingStatus | undefined,
      upload: () => ({ publications: backlog }) as unknown as UploadStatus,
      usage: () => ({ usedBytes: 0, limitBytes: 0, secondsToFull: 0, level }),
    });
  });
  afterEach(() => {
    reports[Symbol.dispose]();
    vi.useRealTimers();
  });

  /** So many segments of a minute each, from midnight on. */
  function recorded(pub: string, segments: number, owner = 'u1'): void {
    const entries = Array.from({ length: segments }, (_, i) => ({
      ...{ seq: i + 1, duration: 60 * 90_000, start: new Date(NOW - 600_000 + i * 60_000).toISOString() },
    }));
    const publication = {
      header: { owner, path: 'team/cam', pub },
      entries,
      gaps: [{}],
    } as unknown as QueuedPublication;
    publications = [...publications.filter(({ header }) => header.pub !== pub), publication];
    changed(publication);
  }

  const waits = (pub: string, seconds: number, store: StoreStatus = S3) =>
    backlog.push({
      ...{ path: 'team/cam', pub, bytes: 500, segments: 1, seconds: 60, storedThrough: 0 },
      oldest: NOW - seconds * 1000,
      store,
    });
  const report = () => reports.reports('u1').get('u1');

  it('is nothing of what has no owner', () => {
    recorded('a', 1, '');
    expect([...reports.owners]).toEqual([]);
    expect(report()).toBeUndefined();
  });

  it('counts over publications, those that have left the spool too, and over restarts', () => {
    recorded('a', 3);
    publications = [];
    recorded('b', 2);
    expect(report()).toMatchObject({ segmentsTotal: 5, gaps: 2, lastSegmentTime: '2026-01-01T00:03:00.000Z' });
    const totals = JSON.parse(JSON.stringify(reports.totals()));
    expect(totals).toEqual({
      u1: { path: 'team/cam', segments: 3, gaps: 1, lastSegmentTime: '2026-01-01T00:03:00.000Z' },
    });
    const next = new RecordingReports({
      queue: { publications, onChange: () => () => {} },
      recorder: () => undefined,
      upload: () => undefined,
      usage: () => ({ usedBytes: 0, limitBytes: 0, secondsToFull: 0, level }),
    });
    next.restore(totals);
    expect(next.reports().get('u1')).toMatchObject({ segmentsTotal: 5, gaps: 2 });
  });

  it('never counts less for many publications', () => {
    for (let i = 0; i < 100; i += 1) {
      publications = [];
      recorded(`p${i}`, 1);
    }
    expect(report()).toMatchObject({ segmentsTotal: 100, gaps: 100 });
  });

  it('names the recording that goes on', () => {
    reports.begin({ path: 'team/cam', pub: 'a' }, 'u1');
    status = { pub: 'a', recording: 'r7', error: null };
    expect(report()).toEqual({
      ...{ current: 'r7', lastSegmentTime: null, segmentsTotal: 0, backlogBytes: 0, oldestPendingAgeMs: null },
      ...{ gaps: 0, problem: null },
    });
    status = { pub: 'of another stream', recording: 'r8', error: null };
    expect(report()).toMatchObject({ current: null });
  });

  it.each([
    { name: 'nothing waits', say: () => {}, want: null },
    { name: 'a minute', say: () => waits('a', 60), want: null },
    { name: 'long', say: () => waits('a', 400), want: 'Backlogged' },
    { name: 'a store that is away for a moment', say: () => waits('a', 60, away(1)), want: null },
    { name: 'a store that is away', say: () => waits('a', 60, away(60)), want: 'StoreUnreachable' },
    {
      name: 'a full spool',
      say: () => {
        waits('a', 60, away(60));
        level = 'full';
      },
      want: 'SpoolFull',
    },
    {
      name: 'a disk that refuses',
      say: () => {
        status = { pub: 'a', recording: 'r', error: 'EIO: it is broken' };
      },
      want: 'Failed',
    },
  ])('says what is wrong: $name', ({ say, want }) => {
    recorded('a', 1);
    say();
    expect(report()?.problem?.reason ?? null).toBe(want);
  });
});
