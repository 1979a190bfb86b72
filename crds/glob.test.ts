import { describe, expect, it } from 'vitest';
import { matchesGlob } from './glob.ts';

describe('matchesGlob', () => {
  it.each([
    ['*', 'team-a', true],
    ['team-*', 'team-a', true],
    ['team-*', 'team-', true],
    ['team-*', 'steam-a', false],
    ['team-a', 'team-ab', false],
    ['*-prod', 'a-prod', true],
    ['*-prod', 'a-prod-2', false],
    ['a*b*c', 'abc', true],
    ['a*b*c', 'axbyc', true],
    ['a*b*c', 'ac', false],
    ['ab*ba', 'aba', false],
    ['https://*.example.com', 'https://s3.example.com', true],
    ['https://*.example.com', 'https://evil.org/.example.com', false],
    ['https://*.example.com', 'https://s3.example.com.evil.org', false],
    ['https://*', 'http://minio', false],
    ['a.c', 'abc', false],
  ])('%s, %s: %s', (pattern, text, want) => {
    expect(matchesGlob(pattern, text)).toBe(want);
  });
});
