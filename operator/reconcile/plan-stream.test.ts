import { describe, expect, it } from 'vitest';
import { poolOf, storedStream, streamRecord } from '../../test/support/operator-fixtures.ts';
import { planStream, type StreamPlan, type StreamView } from './plan-stream.ts';

const NOW = Date.parse('2026-11-01T12:00:00Z');
const make = () => ({ rtmpKey: 'made-rtmp-key', srtPassphrase: 'made-srt-pass' });

function view(change: Partial<StreamView> = {}): StreamView {
  return {
    ...{ stream: storedStream(), pool: poolOf(), policy: undefined, storeSecret: undefined, keySecret: undefined },
    ...{ record: undefined, recovered: undefined, olderInNamespace: 0, dedicatedPort: null, nameTaken: undefined },
    ...{ podsHaveIt: false, now: NOW, podsFirstMs: 60_000 },
    ...change,
  };
}
const plan = (change: Partial<StreamView> = {}): StreamPlan => planStream(view(change), make);
/** What is in force after a first look at a stream. */
const inForce = (change: Partial<StreamView> = {}) => plan(change).record!;
const refused = { stream: storedStream({ recording: { enabled: true, policyRef: { name: 'none' } } }) };

describe('planStream', () => {
  it('gives a new stream keys and a configuration', () => {
    const { record, steps, keys } = plan();
    expect(record?.config).toMatchObject({ uid: 'uid-1', path: 'team-a/cam-1', state: 'active' });
    expect(record?.config.credentials).toMatchObject({
      revision: 1,
      rtmpKey: 'made-rtmp-key',
      srtPassphrase: 'made-srt-pass',
    });
    expect(steps).toEqual(['made']);
    expect(keys).toMatchObject({ isReady: true, reason: 'Generated' });
  });

  it('says which generation it was made of', () => {
    expect(plan({ stream: storedStream({}, { generation: 3 }) }).generation).toBe(3);
    expect(plan({ ...refused, stream: storedStream(refused.stream.spec, { generation: 4 }) }).generation).toBe(4);
  });

  it('changes nothing at a second look', () => {
    const record = inForce();
    expect(plan({ record })).toMatchObject({ record, steps: [], wakeAt: undefined });
  });

  it('goes on with keys that people have, where what was in force is lost', () => {
    const { credentials } = inForce().config;
    const recovered = {
      credentials: { ...credentials, revision: 4, rtmpKey: 'known-key' },
      progress: streamRecord().keys,
    };
    const { record } = plan({ recovered: { ...recovered, progress: { ...recovered.progress, shown: 4 } } });
    expect(record?.config.credentials).toMatchObject({ revision: 4, rtmpKey: 'known-key' });
  });

  it('programs nothing that is refused, and says why even where there are no keys', () => {
    const { record, compiled, keys } = plan({ ...refused, keySecret: { name: 'mine', data: undefined } });
    expect(record).toBeUndefined();
    expect(compiled.problems.map(({ reason }) => reason)).toEqual(['PolicyNotFound']);
    expect(keys).toMatchObject({ isReady: false, reason: 'SecretNotFound' });
  });

  it('leaves in force what was, when an edit cannot be served', () => {
    const record = inForce();
    expect(plan({ ...refused, record }).record).toEqual(record);
  });

  it.each([
    { name: 'the namespace is not allowed any more', change: { pool: poolOf({ allowedNamespaces: ['other'] }) } },
    {
      name: 'it is suspended, though the rest is refused',
      change: { stream: storedStream({ ...refused.stream.spec, suspend: true }) },
    },
  ])('lets nobody publish when $name', ({ change }) => {
    const record = inForce();
    const after = plan({ ...change, record }).record!;
    expect(after.config).toMatchObject({ state: 'suspended', credentials: record.config.credentials });
    expect(after.config.revision).not.toBe(record.config.revision);
  });

  it('lets people publish again when it is resumed, though the rest is refused', () => {
    const record = inForce({ stream: storedStream({ suspend: true }) });
    expect(record.config.state).toBe('suspended');
    expect(plan({ ...refused, record }).record?.config).toEqual(inForce().config);
  });

  it('makes no keys for what was never served, and claims none', () => {
    const after = plan(refused);
    expect(after).toMatchObject({ record: undefined, steps: [], wakeAt: undefined });
    expect(after.keys).toMatchObject({ isReady: false, reason: 'NotAccepted' });
  });

  describe('keys of a stream that is refused', () => {
    const stream = (rotation: object) => storedStream({ ...refused.stream.spec, credentials: { rotation } });
    const overlapping = () => plan({ stream: stream({ generation: 1 }), record: inForce() });

    it('turn, and people are shown them in their time', () => {
      const after = overlapping();
      expect(after).toMatchObject({ steps: ['rotated'], wakeAt: NOW + 60_000, keys: { reason: 'Rotating' } });
      expect(after.record?.config).toMatchObject({
        path: 'team-a/cam-1',
        state: 'active',
        credentials: { revision: 2 },
      });
      expect(after.record?.config.revision).not.toBe(inForce().config.revision);
      const later = plan({ stream: stream({ generation: 1 }), record: after.record, podsHaveIt: true });
      expect(later).toMatchObject({ steps: ['shown'], record: { keys: { shown: 2 } }, keys: { reason: 'Generated' } });
    });

    it('that leaked are revoked', () => {
      const { record } = overlapping();
      const after = plan({ stream: stream({ generation: 1, revokePrevious: true }), record });
      expect(after.steps).toEqual(['revoked']);
      expect(after.record?.config.credentials).toMatchObject({ revision: 2, previous: null, revokedBelow: 2 });
      expect(after.record?.config.revision).not.toBe(record?.config.revision);
    });
  });

  it('says which name is another’s before anything else', () => {
    const { compiled, record } = plan({ ...refused, nameTaken: 'Secret cam-1-ingest' });
    expect(compiled.problems.map(({ reason }) => reason)).toEqual(['NameTaken', 'PolicyNotFound']);
    expect(compiled.problems[0]?.message).toBe(
      "Secret cam-1-ingest already exists and is not this LiveStream's: remove it, or give the LiveStream another name.",
    );
    expect(record).toBeUndefined();
  });

  describe('keys of the user', () => {
    const stream = storedStream({ credentials: { secretRef: { name: 'mine' } } });
    const secret = (rtmpKey: string) => ({ name: 'mine', data: { rtmpKey, srtPassphrase: 'my-passphrase' } });

    it('are taken, and an edit is a rotation', () => {
      const record = inForce({ stream, keySecret: secret('my-first-key') });
      const after = plan({ stream, record, keySecret: secret('my-second-key') });
      expect(after.steps).toEqual(['rotated']);
      expect(after.keys).toMatchObject({ isReady: true, reason: 'Rotating' });
      expect(after.record?.config.credentials).toMatchObject({
        ...{ revision: 2, rtmpKey: 'my-second-key' },
        previous: { revision: 1, rtmpKey: 'my-first-key' },
      });
    });

    it.each([
      { name: 'gone', data: undefined, reason: 'SecretNotFound' },
      { name: 'bad', data: { rtmpKey: 'short', srtPassphrase: 'my-passphrase' }, reason: 'SecretInvalid' },
      { name: 'without a key', data: { rtmpKey: 'my-second-key' }, reason: 'SecretInvalid' },
    ])('that are $name change nothing, and it is said', ({ data, reason }) => {
      const record = inForce({ stream, keySecret: secret('my-first-key') });
      const after = plan({ stream, record, keySecret: { name: 'mine', data } });
      expect(after.record).toEqual(record);
      expect(after.keys).toMatchObject({ isReady: false, reason, message: expect.stringContaining('stay in force') });
    });

    it('that have gone bad do not hold up a rotation that is under way', () => {
      const first = inForce({ stream, keySecret: secret('my-first-key') });
      const record = inForce({ stream, record: first, keySecret: secret('my-second-key') });
      const after = plan({ stream, record, keySecret: { name: 'mine', data: {} }, podsHaveIt: true });
      expect(after.steps).toEqual(['shown']);
      expect(after.record?.keys.shown).toBe(2);
    });
  });

  it('remembers where it was recorded to, and what is to become of it', () => {
    const own = { url: 's3://pool/live', endpoint: null };
    const stream = storedStream({ recording: { enabled: true, deletionPolicy: 'Delete' } });
    const record = inForce({ stream, pool: poolOf({ store: own }) });
    const after = inForce({ stream, record, pool: poolOf({ store: { ...own, url: 's3://other' } }) });
    expect(after.deletionPolicy).toBe('Delete');
    expect(after.formerStores.map(({ url }) => url)).toEqual(['s3://pool/live']);
  });
});
