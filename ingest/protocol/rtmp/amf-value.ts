import { ProtocolError } from '../protocol-error.ts';

/** What AMF0 and AMF3 values decode to. Objects are maps, so that no key of a peer can ever be `__proto__` of anything. */
export type AmfValue =
  | number
  | boolean
  | string
  | null
  | undefined
  | Date
  | Buffer
  | readonly AmfValue[]
  | ReadonlyMap<string, AmfValue>;

/** What can be encoded: decoded values, and plain objects, which become AMF objects. */
export type AmfInput =
  | AmfValue
  | readonly AmfInput[]
  | ReadonlyMap<string, AmfInput>
  | { readonly [key: string]: AmfInput };

/** An ECMA array (AMF0 §2.10): a map that is written with a count. onMetaData for players must be one: ffmpeg reads no other form. */
export class EcmaArray<V = AmfValue> extends Map<string, V> {}

/** An object with a class name (AMF0 §2.18, AMF3 §3.12). */
export class TypedObject extends Map<string, AmfValue> {
  readonly className: string;
  constructor(className: string) {
    super();
    this.className = className;
  }
}

/** Levels of nesting in one message. */
const MAX_DEPTH = 32;
/** Values in one message, counting what a reference repeats each time it is repeated. */
const MAX_VALUES = 65_536;
/** Bytes of text in one message, counted likewise. */
const MAX_TEXT_BYTES = 4 * 1024 * 1024;

/**
 * What one message may still cost. References count as much as what they refer to, so a decoded message can be walked
 * as a tree in bounded time, however often it refers to itself.
 */
export class AmfBudget {
  #depth = 0;
  #values = 0;
  #textBytes = 0;

  /** Values counted so far. The difference around a value is its weight. */
  get values(): number {
    return this.#values;
  }

  /** Bytes of text counted so far. */
  get textBytes(): number {
    return this.#textBytes;
  }

  /** @throws ProtocolError ERR_AMF_TOO_DEEP. */
  enter(): void {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) {
      throw new ProtocolError('ERR_AMF_TOO_DEEP', `values nested more than ${MAX_DEPTH} deep`);
    }
  }

  leave(): void {
    this.#depth -= 1;
  }

  /** @throws ProtocolError ERR_AMF_TOO_MANY. */
  spend(values: number, textBytes: number): void {
    this.#values += values;
    this.#textBytes += textBytes;
    if (this.#values > MAX_VALUES) throw new ProtocolError('ERR_AMF_TOO_MANY', `more than ${MAX_VALUES} values`);
    if (this.#textBytes > MAX_TEXT_BYTES) {
      throw new ProtocolError('ERR_AMF_TOO_MANY', `more than ${MAX_TEXT_BYTES} bytes of text`);
    }
  }
}

/** A table of values that later ones may refer to by index. One still being read can't be referred to: no cycles. */
export class AmfReferences {
  readonly #entries: { value: AmfValue; values: number; textBytes: number; whole: boolean }[] = [];

  /** Takes the next index for `value`; returns the function to call when it has been read to its end. */
  begin(value: AmfValue, budget: AmfBudget): () => void {
    const entry = { value, values: budget.values, textBytes: budget.textBytes, whole: false };
    this.#entries.push(entry);
    return () => {
      entry.values = budget.values - entry.values + 1;
      entry.textBytes = budget.textBytes - entry.textBytes;
      entry.whole = true;
    };
  }

  /** Takes the next index for a value without parts, of `textBytes` bytes. */
  add(value: AmfValue, textBytes: number): void {
    this.#entries.push({ value, values: 1, textBytes, whole: true });
  }

  /** @throws ProtocolError ERR_AMF_UNSUPPORTED, ERR_AMF_TOO_MANY. */
  get(index: number, budget: AmfBudget): AmfValue {
    const entry = this.#entries[index];
    if (!entry?.whole)
      throw new ProtocolError('ERR_AMF_UNSUPPORTED', `reference ${index} to a value that is not there`);
    budget.spend(entry.values, entry.textBytes);
    return entry.value;
  }
}
