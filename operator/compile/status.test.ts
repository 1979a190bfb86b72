import { describe, expect, it } from 'vitest';
import type { Condition } from '../../crds/conditions.ts';
import { PUBLISHER, podView, RECORDING, storedStream, streamRecord } from '../../test/support/operator-fixtures.ts';
import { type ConditionsView, conditionsOf } from './conditions.ts';
import { allObey, isBusy, publisherOf } from './pod-view.ts';
import { bitrateBucket, type StatusView, statusOf, urgentPart } from './status.ts';

const NOW = '2026-11-01T11:00:00.000Z';
const RECORDED = { recording: { enabled: true } };

/** A stream that is well, but for what a test changes. */
function view(change: Partial<StatusView> = {}): StatusView {
  const record = streamRecord();
  return {
    stream: storedStream(),
    generation: 1,
    compiled: { config: record.config, effective: {} as never, problems: [] },
    keys: { isReady: true, reason: 'Generated', message: 'made' },
    record,
    pods: [podView()],
    isResting: false,
    urls: { rtmp: 'rtmp://h/team-a/cam-1', rtmps: '', srt: '' },
    now: NOW,
    ...change,
  };
}
const refused = { problems: [{ reason: 'PolicyNotFound', message: 'There is none.', revokes: false }] } as const;
/** `Accepted=True/Accepted` … */
const said = (change: Partial<ConditionsView>) =>
  Object.fromEntries(conditionsOf(view(change)).map(({ type, status, reason }) => [type, `${status}/${reason}`]));

describe('conditions', () => {
  it('of a stream that is well', () => {
    expect(said({})).toEqual({
      ...{ Accepted: 'True/Accepted', CredentialsReady: 'True/Generated', Programmed: 'True/Programmed' },
      ...{ Live: 'False/NoPublisher', RecordingHealthy: 'True/RecordingOff', Ready: 'True/Ready' },
    });
  });

  it.each<{ name: string; change: Partial<ConditionsView>; want: Record<string, string> }>([
    {
      name: 'refused, with something in force',
      change: { compiled: refused },
      want: { Accepted: 'False/PolicyNotFound', Programmed: 'False/NotAccepted', Ready: 'False/NotAccepted' },
    },
    {
      name: 'without keys',
      change: { keys: { isReady: false, reason: 'SecretNotFound', message: 'none' }, record: undefined },
      want: {
        CredentialsReady: 'False/SecretNotFound',
        Programmed: 'False/NotAccepted',
        Ready: 'False/CredentialsNotReady',
      },
    },
    {
      name: 'no pod',
      change: { pods: [] },
      want: { Programmed: 'False/NoReadyPods', Live: 'Unknown/Unknown', Ready: 'False/NotProgrammed' },
    },
    {
      name: 'a pod that obeys an older configuration',
      change: { pods: [podView(), podView({ revision: 'rev-0' }, { name: 'ingest-1' })] },
      want: { Programmed: 'False/Pending', Ready: 'False/NotProgrammed' },
    },
    {
      name: 'one that is not ready is not waited for',
      change: { pods: [podView(), podView({ revision: 'rev-0' }, { name: 'ingest-1', isReady: false })] },
      want: { Programmed: 'True/Programmed', Ready: 'True/Ready' },
    },
    {
      name: 'a pod that refuses it',
      change: { pods: [podView({ revision: 'rev-0', refusal: 'too new' })] },
      want: { Programmed: 'False/RejectedByPod' },
    },
    {
      name: 'live',
      change: { pods: [podView({ publisher: PUBLISHER })] },
      want: { Live: 'True/Publishing', Ready: 'True/Ready' },
    },
    {
      name: 'suspended',
      change: { stream: storedStream({ suspend: true }) },
      want: { Live: 'False/Suspended', Ready: 'False/Suspended' },
    },
    {
      name: 'recorded',
      change: { stream: storedStream(RECORDED), pods: [podView({ publisher: PUBLISHER, recording: RECORDING })] },
      want: { RecordingHealthy: 'True/Healthy', Ready: 'True/Ready' },
    },
    {
      name: 'recorded without a spool volume',
      change: { stream: storedStream(RECORDED), pods: [podView({}, { spoolPersistent: false })] },
      want: { RecordingHealthy: 'True/SpoolNotPersistent', Ready: 'True/Ready' },
    },
    {
      name: 'a store that is away',
      change: {
        stream: storedStream(RECORDED),
        pods: [podView({ recording: { ...RECORDING, problem: { reason: 'StoreUnreachable', message: 'away' } } })],
      },
      want: { RecordingHealthy: 'False/StoreUnreachable', Ready: 'False/RecordingUnhealthy' },
    },
    {
      name: 'recorded, by whom nobody knows',
      change: { stream: storedStream(RECORDED), pods: [podView(undefined, { hasReported: false })] },
      want: { RecordingHealthy: 'Unknown/Unknown', Live: 'Unknown/Unknown' },
    },
    {
      name: 'being deleted',
      change: { stream: storedStream({}, { deletionTimestamp: NOW }) },
      want: { Ready: 'False/Terminating' },
    },
  ])('$name', ({ change, want }) => expect(said(change)).toMatchObject(want));

  const former = (type: string, status: 'True' | 'False', reason: string): Condition => ({
    type: type as Condition['type'],
    ...{ status, reason, message: 'as it was', lastTransitionTime: '2026-11-01T09:00:00Z', observedGeneration: 1 },
  });

  it('keep their time while their status is the same', () => {
    const stream = storedStream(
      {},
      {},
      { conditions: [former('Ready', 'True', 'Ready'), former('Live', 'True', 'Publishing')] },
    );
    const [ready, live] = ['Ready', 'Live'].map((type) =>
      conditionsOf(view({ stream })).find((each) => each.type === type),
    );
    expect(ready).toMatchObject({ lastTransitionTime: '2026-11-01T09:00:00Z' });
    expect(live).toMatchObject({ status: 'False', lastTransitionTime: NOW });
  });

  it('of a stream that is idle stay as they are while the pool restarts; of one that was live they do not', () => {
    const conditions = [former('Programmed', 'True', 'Programmed'), former('Live', 'False', 'NoPublisher')];
    const idle = view({
      stream: storedStream({}, {}, { conditions, podsProgrammed: '1/1' }),
      pods: [],
      isResting: true,
    });
    expect(conditionsOf(idle).map(({ type, reason }) => [type, reason])).toContainEqual(['Programmed', 'Programmed']);
    expect(conditionsOf(idle).find(({ type }) => type === 'Live')?.status).toBe('False');
    expect(statusOf(idle).podsProgrammed).toBe('1/1');
    const wasLive = view({
      stream: storedStream({}, {}, { conditions: [former('Live', 'True', 'Publishing')] }),
      pods: [],
      isResting: true,
    });
    expect(conditionsOf(wasLive).find(({ type }) => type === 'Live')?.status).toBe('Unknown');
  });
});

describe('status', () => {
  it.each<{ name: string; change: Partial<StatusView>; want: string }>([
    { name: 'all is well', change: {}, want: 'Idle' },
    { name: 'live', change: { pods: [podView({ publisher: PUBLISHER })] }, want: 'Live' },
    { name: 'no pod has it', change: { pods: [podView({ revision: null })] }, want: 'Pending' },
    { name: 'suspended', change: { stream: storedStream({ suspend: true }) }, want: 'Suspended' },
    { name: 'being deleted', change: { stream: storedStream({}, { deletionTimestamp: NOW }) }, want: 'Terminating' },
  ])('phase $want: $name', ({ change, want }) => expect(statusOf(view(change)).phase).toBe(want));

  it.each([
    { name: 'that was looked at, where the object is a newer one', metadata: { generation: 5 }, want: 4 },
    {
      name: 'of the object, where that is being deleted',
      metadata: { generation: 5, deletionTimestamp: NOW },
      want: 5,
    },
  ])('everywhere speaks of the generation $name', ({ metadata, want }) => {
    const status = statusOf(view({ stream: storedStream({}, metadata), generation: 4 }));
    const all = [status, ...status.conditions!].map(({ observedGeneration }) => observedGeneration);
    expect(new Set(all)).toEqual(new Set([want]));
  });

  it('says who publishes and how recording goes, roughly', () => {
    expect(statusOf(view({ pods: [podView({ publisher: PUBLISHER, recording: RECORDING })] }))).toMatchObject({
      publisher: {
        ...{ pod: 'ingest-0', epoch: 7, protocol: 'RTMP', since: PUBLISHER.since },
        ...{ video: 'h264 1280x720', audio: 'aac 48000', bitrateBucket: '2.5-5M' },
      },
      recording: {
        ...{ current: RECORDING.current, lastSegmentTime: RECORDING.lastSegmentTime, segmentsTotal: 5 },
        ...{ backlogBytes: 1000, oldestPendingAge: '10s', gaps: 0 },
      },
      endpoints: { rtmp: 'rtmp://h/team-a/cam-1', secret: 'cam-1-ingest' },
      podsProgrammed: '1/1',
      credentials: { revision: 1 },
    });
  });

  it('keeps what it knew of a recording that is wholly stored', () => {
    const recording = {
      current: 'r',
      lastSegmentTime: NOW,
      segmentsTotal: 9,
      backlogBytes: 5,
      gaps: 1,
      oldestPendingAge: '10s',
    };
    const stream = storedStream({}, {}, { recording });
    expect(statusOf(view({ stream })).recording).toEqual({
      lastSegmentTime: NOW,
      segmentsTotal: 9,
      backlogBytes: 0,
      gaps: 1,
    });
    expect(statusOf(view({ stream, pods: [] })).recording).toEqual(recording);
  });

  it('says when former keys end and whether they are in use', () => {
    const previous = { revision: 1, rtmpKey: 'a', srtPassphrase: '', expiresAt: '2026-11-02T00:00:00Z' };
    const credentials = { revision: 2, rtmpKey: 'b', srtPassphrase: '', previous, revokedBelow: 0 };
    const pods = [podView({ publisher: { ...PUBLISHER, usesPreviousKey: true } })];
    expect(statusOf(view({ record: streamRecord({ credentials }), pods })).credentials).toEqual({
      ...{ revision: 2, previousExpiresAt: previous.expiresAt, previousInUse: true },
    });
  });

  it.each([
    [0, '<1M'],
    [999_999, '<1M'],
    [1_000_000, '1-2.5M'],
    [9_999_999, '5-10M'],
    [10_000_000, '>10M'],
  ])('%d bit/s is %s', (rate, want) => expect(bitrateBucket(rate)).toBe(want));
});

describe('urgentPart', () => {
  const live = (publisher: object, recording: object) =>
    urgentPart(
      statusOf(
        view({
          pods: [podView({ publisher: { ...PUBLISHER, ...publisher }, recording: { ...RECORDING, ...recording } })],
        }),
      ),
    );

  it('is the same while a stream merely goes on', () => {
    const figures = { lastSegmentTime: NOW, segmentsTotal: 99, backlogBytes: 0, oldestPendingAgeMs: null, gaps: 3 };
    expect(live({ bitsPerSecond: 9e6 }, figures)).toEqual(live({}, {}));
  });

  it.each([
    { name: 'another publisher', publisher: { epoch: 8 }, recording: {} },
    { name: 'another codec', publisher: { video: 'h265 1920x1080' }, recording: {} },
    { name: 'another recording', publisher: {}, recording: { current: 'other' } },
    { name: 'a fault', publisher: {}, recording: { problem: { reason: 'SpoolFull', message: '' } } },
  ])('is another for $name', ({ publisher, recording }) => {
    expect(live(publisher, recording)).not.toEqual(live({}, {}));
  });

  it('is another when the last of a recording has reached the store', () => {
    const drained = (backlogBytes: number) =>
      urgentPart(statusOf(view({ pods: [podView({ recording: { ...RECORDING, current: null, backlogBytes } })] })));
    expect(drained(0)).not.toEqual(drained(10));
    expect(drained(20)).toEqual(drained(10));
  });
});

describe('pods', () => {
  it('of two that claim the publication the later one has it', () => {
    const pods = [
      podView({ publisher: PUBLISHER }),
      podView({ publisher: { ...PUBLISHER, epoch: 8 } }, { name: 'ingest-1' }),
    ];
    expect(publisherOf(pods)?.pod).toBe('ingest-1');
  });
  it.each([
    { name: 'none', pods: [], want: false },
    { name: 'all', pods: [podView(), podView()], want: true },
    { name: 'one knows nothing of it', pods: [podView(), podView(undefined, { stream: undefined })], want: false },
  ])('obey: $name', ({ pods, want }) => expect(allObey(pods, 'rev-1')).toBe(want));
  it.each([
    { name: 'a publisher', stream: { publisher: PUBLISHER }, want: true },
    { name: 'an open recording', stream: { recording: { ...RECORDING, backlogBytes: 0 } }, want: true },
    { name: 'a backlog', stream: { recording: { ...RECORDING, current: null } }, want: true },
    { name: 'what is stored', stream: { recording: { ...RECORDING, current: null, backlogBytes: 0 } }, want: false },
    { name: 'nothing', stream: {}, want: false },
  ])('are busy with $name: $want', ({ stream, want }) => expect(isBusy([podView(stream)])).toBe(want));
});
