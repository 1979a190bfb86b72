import { setTimeout as delay } from 'node:timers/promises';

type Answer<T> = T | undefined | null | false;

/** Asks until the answer is not undefined, null or false. @throws Error naming what was awaited when it takes longer than `timeoutMs`. */
export async function waitFor<T>(
  what: string,
  ask: () => Answer<T> | Promise<Answer<T>>,
  { timeoutMs = 20_000, everyMs = 50 }: { readonly timeoutMs?: number; readonly everyMs?: number } = {},
): Promise<T> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== null && answer !== false) return answer;
    if (performance.now() > until) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await delay(everyMs);
  }
}
