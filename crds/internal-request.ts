import { createHmac, timingSafeEqual } from 'node:crypto';

/** How far the clocks of two pods may be apart. */
const CLOCK_SKEW_SECONDS = 60;
const HEADER = /^Headwater (\d{1,12})\.([0-9a-f]{64})$/;

function mac(relayKey: string, method: string, path: string, seconds: string): Buffer {
  return createHmac('sha256', relayKey).update(`${method}\n${path}\n${seconds}`).digest();
}

/**
 * Value of the `authorization` header of a request within the pool: `Headwater <Unix seconds>.<hex HMAC-SHA256>` over method,
 * path (with its query) and time.
 */
export function signRequest(relayKey: string, method: string, path: string, unixSeconds: number): string {
  const seconds = String(Math.floor(unixSeconds));
  return `Headwater ${seconds}.${mac(relayKey, method, path, seconds).toString('hex')}`;
}

/** Whether the header was made with the relay key, for this very request, within a minute of `unixSeconds`. */
export function isSignedRequest(
  relayKey: string,
  method: string,
  path: string,
  unixSeconds: number,
  header: string | undefined,
): boolean {
  const [, seconds, signature] = HEADER.exec(header ?? '') ?? [];
  if (seconds === undefined || signature === undefined) return false;
  if (Math.abs(Number(seconds) - unixSeconds) > CLOCK_SKEW_SECONDS) return false;
  return timingSafeEqual(mac(relayKey, method, path, seconds), Buffer.from(signature, 'hex'));
}
