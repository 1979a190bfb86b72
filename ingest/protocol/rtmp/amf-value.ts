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
 * What one message may still cost. References count as much as what they refer to, in values, text and depth, so a decoded message can be
 * walked as a tree in bounded time and on a bounded stack, however often it refers to itself.
 */
export class AmfBudget {
  #depth = 0;
  /** The deepest level since `measure` was last called. */
  #deepest = 0;
  #values = 0;
  #textBytes = 0;

  /** Bytes of text counted so far. */
  get textBytes(): number {
    return this.#textBytes;
  }

  /** @throws ProtocolError ERR_AMF_TOO_DEEP. */
  enter(): void {
    this.#depth += 1;
    this.#reach(this.#depth);
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

  /** Counts a value again that was counted before. @throws ProtocolError ERR_AMF_TOO_MANY, ERR_AMF_TOO_DEEP. */
  repeat(cost: AmfCost): void {
    this.spend(cost.values, cost.textBytes);
    this.#reach(this.#depth + cost.levels);
  }

  /** Begins to count a value; returns the function that says, at its end, what it cost. */
  measure(): () => AmfCost {
    const [depth, outerDeepest, values, textBytes] = [this.#depth, this.#deepest, this.#values, this.#textBytes];
    this.#deepest = depth;
    return () => {
      const levels = this.#deepest - depth;
      this.#deepest = Math.max(outerDeepest, this.#deepest);
      return { values: this.#values - values + 1, textBytes: this.#textBytes - textBytes, levels };
    };
  }

  #reach(depth: number): void {
    if (depth > MAX_DEPTH) throw new ProtocolError('ERR_AMF_TOO_DEEP', `values nested more than ${MAX_DEPTH} deep`);
    this.#deepest = Math.max(this.#deepest, depth);
  }
}

/** What a value costs who walks it: itself and all in it, their text, the levels of nesting. */
interface AmfCost {
  readonly values: number;
  readonly textBytes: number;
  readonly levels: number;
}

/** A table of values that later ones may refer to by index. One still being read can't be referred to: no cycles. */
export class AmfReferences {
  readonly #entries: { readonly value: AmfValue; cost: AmfCost | undefined }[] = [];

  /** Takes the next index for `value`; returns the function to call when it has been read to its end. */
  begin(value: AmfValue, budget: AmfBudget): () => void {
    const entry: { value: AmfValue; cost: AmfCost | undefined } = { value, cost: undefined };
    this.#entries.push(entry);
    const measured = budget.measure();
    return () => {
      entry.cost = measured();
    };
  }

  /** Takes the next index for a value without parts, of `textBytes` bytes. */
  add(value: AmfValue, textBytes: number): void {
    this.#entries.push({ value, cost: { values: 1, textBytes, levels: 0 } });
  }

  /** @throws ProtocolError ERR_AMF_UNSUPPORTED, ERR_AMF_TOO_MANY, ERR_AMF_TOO_DEEP. */
  get(index: number, budget: AmfBudget): AmfValue {
    const entry = this.#entries[index];
    if (!entry?.cost) throw new ProtocolError('ERR_AMF_UNSUPPORTED', `reference ${index} to a value that is not there`);
    budget.repeat(entry.cost);
    return entry.value;
  }
}
