/** A queue in one array, which is reused when it runs empty and compacted when mostly taken. Unbounded by itself. */

const COMPACT_FROM = 64;

export class Fifo<Item> {
  #items: (Item | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  peek(): Item | undefined {
    return this.#items[this.#head];
  }

  shift(): Item | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.length === 0) this.#compact(0);
    else if (this.#head >= COMPACT_FROM && this.#head * 2 > this.#items.length) {
      this.#compact(this.length);
    }
    return item;
  }

  #compact(length: number): void {
    this.#items.copyWithin(0, this.#head);
    this.#items.length = length;
    this.#head = 0;
  }
}
