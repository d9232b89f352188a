/**
 * First in, first out, without a new object for each entry.
 *
 * @module
 */

/**
 * A ring that grows. Each entry has a position that stays the same for as long
 * as the entry is here, so that it can be replaced where it stands.
 */
export class Ring<T> {
  #slots: (T | undefined)[] = new Array(16).fill(undefined);
  #head = 0;
  #tail = 0;

  /** How many entries there are. */
  get length(): number {
    return this.#tail - this.#head;
  }

  /** The position of the oldest entry; of the next one, when there is none. */
  get head(): number {
    return this.#head;
  }

  /** Appends an entry and returns its position. */
  push(entry: T): number {
    if (this.length === this.#slots.length) this.#grow();
    const position = this.#tail++;
    this.#slots[this.#slot(position)] = entry;
    return position;
  }

  /** Removes the oldest entry. */
  shift(): T | undefined {
    if (this.#head === this.#tail) return undefined;
    const slot = this.#slot(this.#head++);
    const entry = this.#slots[slot];
    this.#slots[slot] = undefined;
    return entry;
  }

  /** Puts another entry in the place of one, and returns the old one. */
  replace(position: number, entry: T): T | undefined {
    const slot = this.#slot(position);
    const old = this.#slots[slot];
    this.#slots[slot] = entry;
    return old;
  }

  /** Forgets everything, its memory too. */
  clear(): void {
    this.#slots = new Array(16).fill(undefined);
    this.#head = this.#tail;
  }

  /** The number of slots is a power of two. */
  #slot(position: number): number {
    return position & (this.#slots.length - 1);
  }

  #grow(): void {
    const slots: (T | undefined)[] = new Array(this.#slots.length * 2);
    slots.fill(undefined);
    for (let position = this.#head; position < this.#tail; position++) {
      slots[position & (slots.length - 1)] = this.#slots[this.#slot(position)];
    }
    this.#slots = slots;
  }
}
