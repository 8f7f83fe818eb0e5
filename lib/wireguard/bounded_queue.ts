/** First in, first out, up to a bound: what does not fit pushes out the oldest. */

export class BoundedQueue<Item> {
  readonly #capacity: number;
  #items: Item[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Appends `item`; false when the oldest had to go for it. */
  push(item: Item): boolean {
    this.#items.push(item);
    if (this.#items.length <= this.#capacity) return true;
    this.#items.shift();
    return false;
  }

  shift(): Item | undefined {
    return this.#items.shift();
  }

  /** Drops all items for which `isGone` holds. */
  remove(isGone: (item: Item) => boolean): void {
    this.#items = this.#items.filter((item) => !isGone(item));
  }
}
