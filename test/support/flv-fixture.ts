import { readFileSync } from 'node:fs';

/** A tag of an FLV file, as the message it is. */
export interface FlvFixtureTag {
  readonly type: 8 | 9 | 18;
  /** Milliseconds, 32 bits. */
  readonly timestamp: number;
  readonly body: Buffer;
}

/** Reads `test/fixtures/flv/<name>.flv`; not by the code under test. */
export function flvFixture(name: string): FlvFixtureTag[] {
  const bytes = readFileSync(new URL(`../fixtures/flv/${name}.flv`, import.meta.url));
  const tags: FlvFixtureTag[] = [];
  for (let at = 13; at + 11 <= bytes.length; ) {
    const length = bytes.readUIntBE(at + 1, 3);
    const timestamp = bytes.readUIntBE(at + 4, 3) + bytes[at + 7]! * 2 ** 24;
    tags.push({ type: bytes[at] as 8 | 9 | 18, timestamp, body: bytes.subarray(at + 11, at + 11 + length) });
    at += 15 + length;
  }
  return tags;
}
