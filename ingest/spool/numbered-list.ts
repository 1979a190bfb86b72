/** Values in the order of their numbers. One behind the last is added, and any is found, without a look at all of them. */
export class NumberedList<T> {
  readonly #values: T[] = [];
  readonly #numbers: number[] = [];

  /** In order. The list itself: it changes with it. */
  get values(): readonly T[] {
    return this.#values;
  }

  get(number: number): T | undefined {
    const at = this.#placeOf(number);
    return this.#numbers[at] === number ? this.#values[at] : undefined;
  }

  set(number: number, value: T): void {
    const at = this.#placeOf(number);
    const replaced = this.#numbers[at] === number ? 1 : 0;
    this.#numbers.splice(at, replaced, number);
    this.#values.splice(at, replaced, value);
  }

  delete(number: number): void {
    const at = this.#placeOf(number);
    if (this.#numbers[at] !== number) return;
    this.#numbers.splice(at, 1);
    this.#values.splice(at, 1);
  }

  /** Where it is, or would be. */
  #placeOf(number: number): number {
    let [from, to] = [0, this.#numbers.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.#numbers[middle]! < number) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
