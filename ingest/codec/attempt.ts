import { NeedMoreBytes } from '../bytes/byte-reader.ts';

/**
 * Runs a parser of codec data; undefined where the bytes end too early. Broken codec data is an ordinary answer here, not a fault:
 * a stream whose size we cannot read still plays.
 */
export function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof NeedMoreBytes) return undefined;
    throw error;
  }
}
