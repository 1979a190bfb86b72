import { describe, expect, it } from 'vitest';
import { COOKIE_LIFE_US, CookieMint } from './cookie.ts';

const mint = new CookieMint(Buffer.alloc(32, 1));
const NOW = 95_000_000;
const cookie = mint.cookieFor('192.0.2.1', 4000, NOW);

describe('cookie', () => {
  it('is right for its address and port only, made with the same secret', () => {
    expect(mint.isRight(cookie, '192.0.2.1', 4000, NOW)).toBe(true);
    expect(mint.isRight(cookie, '192.0.2.2', 4000, NOW)).toBe(false);
    expect(mint.isRight(cookie, '192.0.2.1', 4001, NOW)).toBe(false);
    expect(new CookieMint(Buffer.alloc(32, 2)).isRight(cookie, '192.0.2.1', 4000, NOW)).toBe(false);
    expect(mint.isRight(0, '192.0.2.1', 4000, NOW)).toBe(false);
  });

  it('is right for at least half of its longest life', () => {
    for (let later = 0; later <= COOKIE_LIFE_US / 2; later += 1_000_000) {
      expect(mint.isRight(cookie, '192.0.2.1', 4000, NOW + later)).toBe(true);
    }
    expect(mint.isRight(cookie, '192.0.2.1', 4000, NOW + COOKIE_LIFE_US)).toBe(false);
  });

  it('is never 0, which peers send before they have one', () => {
    for (let port = 0; port < 2_000; port += 1) expect(mint.cookieFor('::1', port, NOW)).toBeGreaterThan(0);
  });
});
