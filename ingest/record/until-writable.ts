import { setTimeout as delay } from 'node:timers/promises';

const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2000;

/**
 * Tries until `attempt` succeeds, first after 100 ms, at last every 2 s. `signal` aborts: one more try at once, the last.
 * Resolves to whether it succeeded.
 */
export async function untilWritable(
  attempt: () => Promise<void>,
  { signal, onFault }: { readonly signal: AbortSignal; readonly onFault: (error: unknown) => void },
): Promise<boolean> {
  for (let waitMs = RETRY_MIN_MS; ; waitMs = Math.min(waitMs * 2, RETRY_MAX_MS)) {
    await delay(waitMs, undefined, { signal }).catch(() => {});
    const isLast = signal.aborted;
    try {
      await attempt();
      return true;
    } catch (error) {
      onFault(error);
    }
    if (isLast) return false;
  }
}
