/** Time for one shrinking, ms. */
const BUDGET_MS = 10_000;

/**
 * A shorter input that fails in the same way: pieces are left out, ever smaller ones, as long as it does. `judge` says what is wrong
 * with an input; the same way means the same first line, numbers apart.
 */
export async function shrink(
  input: Buffer,
  what: string,
  judge: (input: Buffer) => Promise<string | undefined>,
): Promise<Buffer> {
  const wayOf = (text: string | undefined): string | undefined => text?.split('\n')[0]?.replaceAll(/\d+/g, '#');
  const way = wayOf(what);
  const until = performance.now() + BUDGET_MS;
  let best = input;
  for (let size = best.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < best.length && performance.now() < until; ) {
      const shorter = Buffer.concat([best.subarray(0, at), best.subarray(at + size)]);
      if (wayOf(await judge(shorter)) === way) best = shorter;
      else at += size;
    }
  }
  return best;
}
