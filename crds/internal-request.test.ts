import { describe, expect, it } from 'vitest';
import { isSignedRequest, signRequest } from './internal-request.ts';

const NOW = 1_800_000_000;
const header = signRequest('secret', 'GET', '/internal/v1/status', NOW);

describe('requests within the pool', () => {
  it('are known by their signature, for a minute', () => {
    expect(header).toMatch(/^Headwater 1800000000\.[0-9a-f]{64}$/);
    for (const now of [NOW, NOW + 60, NOW - 60, NOW + 0.9]) {
      expect(isSignedRequest('secret', 'GET', '/internal/v1/status', now, header)).toBe(true);
    }
  });

  it.each<{ name: string; args: Parameters<typeof isSignedRequest> }>([
    { name: 'another key', args: ['other', 'GET', '/internal/v1/status', NOW, header] },
    { name: 'another method', args: ['secret', 'POST', '/internal/v1/status', NOW, header] },
    { name: 'another path', args: ['secret', 'GET', '/internal/v1/events', NOW, header] },
    { name: 'a minute later', args: ['secret', 'GET', '/internal/v1/status', NOW + 61, header] },
    { name: 'a minute before', args: ['secret', 'GET', '/internal/v1/status', NOW - 61, header] },
    {
      name: 'another time',
      args: ['secret', 'GET', '/internal/v1/status', NOW, header.replace('1800000000', '1800000001')],
    },
    { name: 'no signature', args: ['secret', 'GET', '/internal/v1/status', NOW, undefined] },
    { name: 'half a signature', args: ['secret', 'GET', '/internal/v1/status', NOW, header.slice(0, -32)] },
  ])('are refused with $name', ({ args }) => {
    expect(isSignedRequest(...args)).toBe(false);
  });
});
