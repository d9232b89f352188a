/**
 * First in, first out, without a new object for each entry.
 *
 * @module
 */

const FIRST_CAPACITY = 16;

/** A ring buffer that grows; while it is unused it holds no memory. */
export class Ring<T> {
  /** The number of slots is 0 or a power of two. */
  #slots: (T | undefined)[] = [];
  #head = 0;
  #tail = 0;

  /** How many entries there are. */
  get length(): number {
    return this.#tail - this.#head;
  }

  /** Appends an entry. */
  push(entry: T): void {
    if (this.length === this.#slots.length) this.#grow();
    this.#slots[this.#tail++ & (this.#slots.length - 1)] = entry;
  }

  /** Removes the oldest entry. */
  shift(): T | undefined {
    if (this.#head === this.#tail) return undefined;
    const slot = this.#head++ & (this.#slots.length - 1);
    const entry = this.#slots[slot];
    this.#slots[slot] = undefined;
    return entry;
  }

  /** Removes everything and frees the memory. */
  clear(): void {
    this.#slots = [];
    this.#head = this.#tail = 0;
  }

  #grow(): void {
    const { length } = this;
    const capacity = Math.max(FIRST_CAPACITY, 2 * length);
    const slots: (T | undefined)[] = new Array(capacity).fill(undefined);
    for (let i = 0; i < length; i++) {
      slots[i] = this.#slots[(this.#head + i) & (length - 1)];
    }
    this.#slots = slots;
    this.#head = 0;
    this.#tail = length;
  }
}
