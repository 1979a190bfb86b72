import type { Random } from './random.ts';

/** One parser under fuzz. */
export interface FuzzTarget {
  readonly name: string;
  /** Right inputs, to be changed. */
  readonly seeds: readonly Buffer[];
  /** Inputs out of nothing, by the grammar of the format. */
  readonly generate?: (random: Random) => Buffer;
  /** Throws when anything but the expected faults happens, or a property does not hold. `random` is for splits. */
  readonly run: (input: Buffer, random: Random) => void | Promise<void>;
}

/** A property that an input breaks. */
class BrokenProperty extends Error {
  override readonly name = 'BrokenProperty';
}

/** @throws BrokenProperty */
export function hold(property: boolean, what: string): asserts property {
  if (!property) throw new BrokenProperty(what);
}

/** @throws BrokenProperty unless both have the same lines. */
export function holdSame(got: readonly string[], want: readonly string[], what: string): void {
  const at = want.findIndex((line, i) => line !== got[i]);
  if (at >= 0) throw new BrokenProperty(`${what}: line ${at} is ${got[at]}, not ${want[at]}`);
  if (got.length > want.length) throw new BrokenProperty(`${what}: a line too many: ${got[want.length]}`);
}
