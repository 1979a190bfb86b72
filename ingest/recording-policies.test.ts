import { beforeEach, describe, expect, it } from 'vitest';
import type { RecordingStore } from '../crds/stream-config.ts';
import { streamConfig } from '../test/support/stream-config.ts';
import { StoreBook } from './cluster/store-book.ts';
import { StreamSet } from './cluster/stream-set.ts';
import { DEFAULTS } from './config/defaults.ts';
import type { PublicationInfo } from './media/publication.ts';
import { RecordingPolicies } from './recording-policies.ts';

const place = { url: 's3://bucket/a', endpoint: 'http://s3', region: null, forcePathStyle: true };
const keys = { accessKeyId: 'id', secretAccessKey: 'secret' };
const info = { path: 'team/cam' } as PublicationInfo;

describe('how a stream is recorded', () => {
  let set: StreamSet;
  let book: StoreBook;
  let policies: RecordingPolicies;
  beforeEach(() => {
    set = new StreamSet(() => undefined);
    book = new StoreBook();
    policies = new RecordingPolicies(false, DEFAULTS.record, set, book);
  });

  function configure(store: RecordingStore, segmentPattern: string | null = null): void {
    const rest = { format: 'fmp4', segmentDurationMs: 2000, segmentPattern, onFull: 'StopRecording' } as const;
    set.apply(
      streamConfig({ path: 'team/cam', uid: 'u1', recording: { store, ...rest }, revision: JSON.stringify(store) }),
    );
    book.learn('u1', store);
  }

  it('is said by its configuration, without a secret', () => {
    expect(policies.policyOf(info)).toBeUndefined();
    configure({ ...place, credentials: keys }, '%p/%d');
    const policy = policies.policyOf(info)!;
    expect(policy).toMatchObject({
      facts: {
        owner: 'u1',
        store: { ...place, hasOwnCredentials: true },
        segmentPattern: '%p/%d',
        onFull: 'StopRecording',
      },
      settings: { segmentDuration: 2000, segmentTimeline: 'file', format: 'fmp4' },
    });
    expect(JSON.stringify(policy)).not.toContain('secret');
  });

  it('is stored with the newest credentials for that very store, also when the stream has moved on', () => {
    configure({ ...place, credentials: keys });
    const { facts } = policies.policyOf(info)!;
    expect(policies.accessOf(facts)).toEqual({ ...place, credentials: keys });
    configure({ ...place, credentials: { ...keys, secretAccessKey: 'another' } });
    expect(policies.accessOf(facts)).toMatchObject({ credentials: { secretAccessKey: 'another' } });
    configure({ ...place, url: 's3://elsewhere', credentials: { ...keys, secretAccessKey: 'of elsewhere' } });
    expect(policies.accessOf(facts)).toMatchObject({
      url: 's3://bucket/a',
      credentials: { secretAccessKey: 'another' },
    });
  });

  it('is never stored with the credentials of another stream, nor with those of the process where it has its own', () => {
    configure({ ...place, credentials: keys });
    const { facts } = policies.policyOf(info)!;
    expect(policies.accessOf({ ...facts, owner: 'u2' })).toBeUndefined();
    book.forget('u1');
    expect(policies.accessOf(facts)).toBeUndefined();
  });

  it('is stored with the credentials of the process where it names none', () => {
    configure({ ...place, credentials: null });
    const { facts } = policies.policyOf(info)!;
    book.forget('u1');
    expect(policies.accessOf(facts)).toEqual({ ...place, credentials: null });
    expect(policies.accessOf({ owner: '' })).toBe('settings');
  });
});
