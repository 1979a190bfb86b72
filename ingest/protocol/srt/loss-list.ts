/**
 * Missing packets, as ascending ranges of positions that do not touch. Most losses are short and the oldest is found first, so plain arrays
 * do; whoever limits how far positions may lie apart limits their length.
 */
export class LossList {
  readonly #firsts: number[] = [];
  readonly #lasts: number[] = [];
  #count = 0;

  /** Packets in all ranges. */
  get count(): number {
    return this.#count;
  }

  get ranges(): number {
    return this.#firsts.length;
  }

  firstOf(range: number): number {
    return this.#firsts[range] as number;
  }

  lastOf(range: number): number {
    return this.#lasts[range] as number;
  }

  /** Adds a range that lies behind all others. */
  add(first: number, last: number): void {
    const newest = this.#lasts.length - 1;
    this.#count += last - first + 1;
    if (newest >= 0 && this.#lasts[newest] === first - 1) {
      this.#lasts[newest] = last;
      return;
    }
    this.#firsts.push(first);
    this.#lasts.push(last);
  }

  /** Index of the first range that ends at `position` or behind it; `ranges` if none does. */
  rangeFrom(position: number): number {
    let low = 0;
    let high = this.#lasts.length;
    if (high > 0 && (this.#lasts[0] as number) >= position) return 0;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#lasts[middle] as number) < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whether `position` was missing; from now on it is not. */
  remove(position: number): boolean {
    const range = this.rangeFrom(position);
    if (range === this.#firsts.length || (this.#firsts[range] as number) > position) return false;
    this.cut(range, position, position);
    return true;
  }

  /** Takes `first` … `last`, which lie within it, out of a range. */
  cut(range: number, first: number, last: number): void {
    const from = this.#firsts[range] as number;
    const to = this.#lasts[range] as number;
    this.#count -= last - first + 1;
    if (first > from && last < to) {
      this.#firsts.splice(range + 1, 0, last + 1);
      this.#lasts.splice(range, 0, first - 1);
    } else if (first > from) {
      this.#lasts[range] = first - 1;
    } else if (last < to) {
      this.#firsts[range] = last + 1;
    } else {
      this.#firsts.splice(range, 1);
      this.#lasts.splice(range, 1);
    }
  }

  /** Forgets all positions before this one. */
  removeBefore(position: number): void {
    let gone = 0;
    while (gone < this.#lasts.length && (this.#lasts[gone] as number) < position) {
      this.#count -= (this.#lasts[gone] as number) - (this.#firsts[gone] as number) + 1;
      gone += 1;
    }
    if (gone > 0) {
      this.#firsts.splice(0, gone);
      this.#lasts.splice(0, gone);
    }
    const first = this.#firsts[0];
    if (first !== undefined && first < position) {
      this.#count -= position - first;
      this.#firsts[0] = position;
    }
  }
}
