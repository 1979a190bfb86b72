import { describe, expect, it } from 'vitest';
import { storedStream, streamRecord } from '../../test/support/operator-fixtures.ts';
import { decodeData } from './manifest.ts';
import { publishSecret, readPublishSecret } from './publish-secret.ts';

const ADDRESSES = { rtmp: { host: 'h', port: 1935 }, rtmps: undefined, srt: { host: 'h', port: 10_080 } };
const PREVIOUS = {
  revision: 1,
  rtmpKey: 'r-old-key',
  srtPassphrase: 's-old-pass',
  expiresAt: '2026-11-02T10:00:00.000Z',
};
const keys = (previous: typeof PREVIOUS | null = null, revision = 2) => ({
  protocols: ['RTMP', 'SRT'] as const,
  credentials: { revision, rtmpKey: 'r-new-key', srtPassphrase: 's-new-pass', previous, revokedBelow: 0 },
});
const progress = (shown: number) => ({
  keys: { generation: 1, source: '', shown, since: '2026-11-01T10:00:00.000Z' },
});
const made = (...record: Parameters<typeof streamRecord>) => {
  const secret = publishSecret(storedStream(), streamRecord(...record), ADDRESSES);
  return { secret, text: decodeData(secret.data as Record<string, string>) };
};
const contentOf = (secret: ReturnType<typeof made>['secret']) => secret.metadata.annotations?.['headwater.dev/content'];

describe('<name>-ingest', () => {
  it('belongs to its LiveStream, and has six keys whatever is offered', () => {
    const { secret, text } = made({ ...keys(), protocols: ['RTMP'] }, progress(2));
    expect(secret).toMatchObject({
      type: 'headwater.dev/ingest',
      metadata: {
        name: 'cam-1-ingest',
        namespace: 'team-a',
        ownerReferences: [{ kind: 'LiveStream', name: 'cam-1', uid: 'uid-1', controller: true }],
      },
    });
    expect(text).toEqual({
      ...{ rtmpKey: 'r-new-key', srtPassphrase: '', previousRtmpKey: '', previousSrtPassphrase: '' },
      ...{ rtmpUrl: 'rtmp://h:1935/team-a/cam-1?key=r-new-key', srtUrl: '' },
    });
  });

  it.each([
    { name: 'after a rotation, both', shown: 2, previous: PREVIOUS, want: ['r-new-key', 'r-old-key'] },
    { name: 'while pods come first, the former alone', shown: 1, previous: PREVIOUS, want: ['r-old-key', ''] },
    { name: 'after the overlap, the new alone', shown: 2, previous: null, want: ['r-new-key', ''] },
    { name: 'the new where there are no former ones', shown: 1, previous: null, want: ['r-new-key', ''] },
  ])('shows $name', ({ shown, previous, want }) => {
    const { text } = made(keys(previous), progress(shown));
    expect([text.rtmpKey, text.previousRtmpKey]).toEqual(want);
    expect(text.rtmpUrl).toContain(`key=${want[0]}`);
  });

  it('lets what is in the runtime namespace be made again from it', () => {
    const { secret, text } = made(keys(PREVIOUS), progress(2));
    const { metadata } = secret;
    expect(readPublishSecret({ metadata: { annotations: metadata.annotations! }, text })).toEqual({
      credentials: { ...keys(PREVIOUS).credentials },
      progress: progress(2).keys,
    });
    const early = made(keys(PREVIOUS), progress(1));
    expect(
      readPublishSecret({ metadata: { annotations: early.secret.metadata.annotations! }, text: early.text }),
    ).toEqual({
      credentials: { revision: 1, rtmpKey: 'r-old-key', srtPassphrase: 's-old-pass', previous: null, revokedBelow: 0 },
      progress: progress(1).keys,
    });
  });

  it.each([
    { name: 'no annotation', metadata: {}, text: { rtmpKey: 'x' } },
    { name: 'no key', metadata: { annotations: made(keys(), progress(2)).secret.metadata.annotations! }, text: {} },
  ])('is not read with $name', ({ metadata, text }) => {
    expect(readPublishSecret({ metadata, text })).toBeUndefined();
  });

  it('shows to who sees metadata only that its content is another, and nothing of the keys', () => {
    const same = contentOf(made(keys(), progress(2)).secret);
    expect(contentOf(made(keys(), progress(2)).secret)).toBe(same);
    const otherKeys = { ...keys(), credentials: { ...keys().credentials, rtmpKey: 'r-third-key' } };
    expect(contentOf(made(otherKeys, progress(2)).secret)).toBe(same);
    for (const other of [
      made(keys(null, 3), progress(3)),
      made(keys(PREVIOUS), progress(2)),
      made({ ...keys(), protocols: ['RTMP'] }, progress(2)),
    ]) {
      expect(contentOf(other.secret)).not.toBe(same);
    }
  });
});
