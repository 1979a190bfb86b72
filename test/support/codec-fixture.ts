import { readFileSync } from 'node:fs';

/** A real encoder's configuration record and first frames, from test/fixtures/codec. */
export interface CodecFixture {
  readonly record: Buffer;
  /** Whole, or cut to 64 bytes where longer than 900. */
  readonly frames: readonly Buffer[];
}

/** Reads `test/fixtures/codec/<name>.json`. */
export function codecFixture(name: string): CodecFixture {
  const text = readFileSync(new URL(`../fixtures/codec/${name}.json`, import.meta.url), 'utf8');
  const { record, frames } = JSON.parse(text) as { record: string; frames: string[] };
  return { record: Buffer.from(record, 'hex'), frames: frames.map((frame) => Buffer.from(frame, 'hex')) };
}
