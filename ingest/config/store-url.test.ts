import { describe, expect, it } from 'vitest';
import { absoluteStoreUrl, parseStoreUrl } from './store-url.ts';

describe('store URLs', () => {
  it.each([
    ['file://./recordings', { kind: 'file', dir: './recordings' }],
    ['file:///var/lib/my%20recordings', { kind: 'file', dir: '/var/lib/my%20recordings' }],
    ['s3://bucket', { kind: 's3', bucket: 'bucket', prefix: '' }],
    ['s3://bucket/', { kind: 's3', bucket: 'bucket', prefix: '' }],
    ['s3://my.bucket-1//a/b/', { kind: 's3', bucket: 'my.bucket-1', prefix: 'a/b' }],
  ])('%s', (url, location) => expect(parseStoreUrl(url)).toEqual(location));

  it.each(['', 'recordings', 'file://', 's3://', 's3://B', 's3://bucket/../other', 'https://bucket'])(
    'refuses %j',
    (url) => {
      expect(() => parseStoreUrl(url)).toThrow(/example/);
    },
  );

  it('makes directories absolute, and nothing else', () => {
    expect(absoluteStoreUrl('file://./a/../b', '/srv')).toBe('file:///srv/b');
    expect(absoluteStoreUrl('file:///a', '/srv')).toBe('file:///a');
    expect(absoluteStoreUrl('s3://bucket/a', '/srv')).toBe('s3://bucket/a');
  });
});
