import { describe, expect, it } from 'vitest';
import { readPublishKeys } from './publish-keys.ts';

const KEYS = { rtmpKey: 'abcd1234', srtPassphrase: 'correct horse'.replace(' ', '-') };

describe('readPublishKeys', () => {
  it.each([
    { name: 'both', data: KEYS, protocols: ['RTMP', 'SRT'], want: KEYS },
    { name: 'only what is offered', data: KEYS, protocols: ['SRT'], want: { ...KEYS, rtmpKey: '' } },
    {
      name: 'only what is asked for',
      data: { rtmpKey: KEYS.rtmpKey },
      protocols: ['RTMPS'],
      want: { ...KEYS, srtPassphrase: '' },
    },
    {
      name: 'no RTMP key',
      data: {},
      protocols: ['RTMP'],
      want: { problem: 'rtmpKey is missing: write 8 to 128 of A-Z a-z 0-9 . _ ~ -' },
    },
    {
      name: 'an RTMP key that a URL would cut',
      data: { ...KEYS, rtmpKey: 'abcd&1234' },
      protocols: ['RTMP'],
      want: { problem: 'rtmpKey cannot be used: write 8 to 128 of A-Z a-z 0-9 . _ ~ -' },
    },
    {
      name: 'a passphrase of nine',
      data: { ...KEYS, srtPassphrase: '123456789' },
      protocols: ['RTMP', 'SRT'],
      want: { problem: 'srtPassphrase cannot be used: write 10 to 79 printable ASCII characters without spaces' },
    },
    {
      name: 'no passphrase',
      data: { rtmpKey: KEYS.rtmpKey },
      protocols: ['RTMP', 'SRT'],
      want: { problem: 'srtPassphrase is missing: write 10 to 79 printable ASCII characters without spaces' },
    },
  ] as const)('$name', ({ data, protocols, want }) => {
    expect(readPublishKeys(data, protocols)).toEqual(want);
  });
});
