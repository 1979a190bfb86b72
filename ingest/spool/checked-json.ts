import { Fault } from '../runtime/fault.ts';

/**
 * Fields of a JSON object that somebody else may have written, each checked when it is read.
 * @throws Fault ERR_MANIFEST_INVALID from every function, naming the field
 */
export class CheckedJson {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #at: string;

  constructor(value: unknown, at: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) fail(at, 'an object');
    this.#values = value as Record<string, unknown>;
    this.#at = at;
  }

  /** Reads a whole document. */
  static parse(bytes: Buffer, at: string): CheckedJson {
    let value: unknown;
    try {
      value = JSON.parse(bytes.toString('utf8'));
    } catch {
      fail(at, 'JSON');
    }
    return new CheckedJson(value, at);
  }

  has(name: string): boolean {
    return this.#values[name] !== undefined && this.#values[name] !== null;
  }

  text(name: string): string {
    const value = this.#values[name];
    return typeof value === 'string' ? value : fail(`${this.#at}.${name}`, 'text');
  }

  /** A whole number that a double holds exactly. */
  integer(name: string, least = 0): number {
    const value = this.#values[name];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least) {
      fail(`${this.#at}.${name}`, `a whole number of at least ${least}`);
    }
    return value;
  }

  boolean(name: string): boolean {
    const value = this.#values[name];
    return typeof value === 'boolean' ? value : fail(`${this.#at}.${name}`, 'true or false');
  }

  choice<const C extends string>(name: string, choices: readonly C[]): C {
    const value = this.text(name);
    return choices.find((choice) => choice === value) ?? fail(`${this.#at}.${name}`, `one of ${choices.join(', ')}`);
  }

  object(name: string): CheckedJson {
    return new CheckedJson(this.#values[name], `${this.#at}.${name}`);
  }

  list<T>(name: string, limit: number, read: (item: CheckedJson) => T): readonly T[] {
    return this.#array(name, limit).map((item, index) => read(new CheckedJson(item, `${this.#at}.${name}[${index}]`)));
  }

  /** A list of lists of `width` whole numbers. */
  rows(name: string, limit: number, width: number): readonly (readonly number[])[] {
    return this.#array(name, limit).map((row) => {
      if (!Array.isArray(row) || row.length !== width || !row.every((n) => Number.isSafeInteger(n))) {
        fail(`${this.#at}.${name}`, `lists of ${width} whole numbers`);
      }
      return row as number[];
    });
  }

  #array(name: string, limit: number): readonly unknown[] {
    const value = this.#values[name];
    if (!Array.isArray(value) || value.length > limit) fail(`${this.#at}.${name}`, `a list of at most ${limit}`);
    return value;
  }
}

function fail(at: string, what: string): never {
  throw new Fault('ERR_MANIFEST_INVALID', `${at} is not ${what}`);
}
