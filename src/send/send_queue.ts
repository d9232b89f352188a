/**
 * The queue: one list with cursors, from the sender that waits for room to the
 * socket and, when a connection dies, back again.
 *
 * ```text
 *          flushed     sent        stored       admitted        tail
 *   ... -----+-----------+------------+------------+--------------+
 *    settled | in flight |   queued   |   staged   | senders wait |
 *            | (a socket |            | (on their  |   for room   |
 *            |  has it)  |            |   way to   |              |
 *            |           |            |  the disk) |              |
 * ```
 *
 * - The messages are in a ring. A message without options is there itself; one
 *   that may leave from the middle is an {@linkcode Item}, and leaves a hole.
 * - A position is a message's place in the order. Positions start anew when the
 *   ring is rebuilt, so nobody but this class keeps one: see {@linkcode Mark}.
 * - Where messages are acknowledged, some of those in flight are flushed, and
 *   `flushed` is behind the first message that is not settled.
 *
 * @module
 */

import type { Message } from "../message.ts";
import { Item } from "./item.ts";

/** A place in the queue that stays the same while the positions change. */
export interface Mark {
  position: number;
}

type Slot = Message | Item | undefined;

/** Of a new ring; a power of two, as it stays when it grows. */
const FEWEST_SLOTS = 16;
/** In the place of the size of a hole that was passed: no socket had it. */
const PASSED = -1;
/** A ring that has more, is empty and was little used lately is made anew. */
const MOST_SLOTS_KEPT = 1024;

/** The queue. Every operation takes the same small time at any length. */
export class SendQueue {
  /** Messages that no socket has now, and those that are being stored. */
  queuedCount = 0;
  queuedBytes = 0;
  /** Messages that the socket has and that are not settled. */
  inFlightCount = 0;
  inFlightBytes = 0;
  /** Messages that the socket has and that are not known to be flushed. */
  inSocket = 0;
  /** Messages whose senders wait for room. */
  waitingCount = 0;
  /** The largest message that was flushed on this connection and is settled. */
  largestFlushed = 0;
  /** Messages, and bytes, given to sockets so far, each time counted. */
  takenCount = 0;
  takenBytes = 0;
  /** How often a message was taken for a second time. */
  redelivered = 0;
  /** Whether a message stays in flight when it is flushed. */
  readonly #awaitsAcks: boolean;
  #slots: Slot[] = emptySlots();
  /** The size of each message; that of a hole while the socket has it. */
  #sizes: number[] = emptySizes();
  #mask = FEWEST_SLOTS - 1;
  /** Not after the first message that is not settled. */
  #head = 0;
  #flushed = 0;
  #sent = 0;
  #stored = 0;
  #admitted = 0;
  #tail = 0;
  /** What is before was in a socket: it is neither replaced nor dropped. */
  #fresh = 0;
  /** What the socket was given from `flushed` on. */
  #socketBytes = 0;
  /** Urgent bytes among them, by the position that they are before. */
  #urgent: Map<number, number> | undefined;
  /** Before this position, empty messages were next to leave, a turn ago. */
  #leaving = 0;
  /** Where the tail was when nothing was left for the last time. */
  #emptiedAt = 0;
  #byKey: Map<string, Item> | undefined;
  /** How many waiting senders' messages have each key. */
  #waitingKeys: Map<string, number> | undefined;
  #marks: Set<Mark> | undefined;

  constructor(awaitsAcks: boolean) {
    this.#awaitsAcks = awaitsAcks;
  }

  // Putting in -----------------------------------------------------------------

  /** Queues a message without options; no sender may be waiting. */
  push(data: Message, size: number): void {
    this.#makeRoom();
    const slot = this.#tail & this.#mask;
    this.#slots[slot] = data;
    this.#sizes[slot] = size;
    this.#stored = this.#admitted = ++this.#tail;
    this.queuedCount++;
    this.queuedBytes += size;
  }

  /** Appends an item whose sender waits for room, at least for a moment. */
  append(item: Item): void {
    this.#makeRoom();
    const slot = this.#tail & this.#mask;
    this.#slots[slot] = item;
    this.#sizes[slot] = item.size;
    item.position = this.#tail++;
    this.#countWaiting(item, 1);
  }

  /** Whether the sender of a message with this key waits. */
  hasWaiting(key: string): boolean {
    return this.#waitingKeys?.has(key) === true;
  }

  /** The item whose sender has waited longest. */
  get firstWaiting(): Item | undefined {
    this.#admitted = this.#skipHoles(this.#admitted, this.#tail);
    if (this.#admitted === this.#tail) return undefined;
    return itemAt(this.#slots[this.#admitted & this.#mask]);
  }

  /** Lets the first waiting item in: it is staged. */
  admitFirst(): void {
    const item = this.firstWaiting;
    if (item === undefined) return;
    this.#admitted++;
    this.#countWaiting(item, -1);
    this.queuedCount++;
    this.queuedBytes += item.size;
  }

  /** The first staged items: at most so many, and of about so many bytes. */
  staged(count: number, bytes: number): Item[] {
    const items: Item[] = [];
    for (
      let at = this.#stored;
      at < this.#admitted && items.length < count && bytes > 0;
      at++
    ) {
      const item = itemAt(this.#slots[at & this.#mask]);
      if (item === undefined) continue;
      items.push(item);
      bytes -= item.size;
    }
    return items;
  }

  /** Whether anything is staged. */
  get hasStaged(): boolean {
    this.#stored = this.#skipHoles(this.#stored, this.#admitted);
    return this.#stored < this.#admitted;
  }

  /** This item, the first of those that are staged, is queued from now on. */
  store(item: Item): void {
    this.#stored = item.position + 1;
    if (item.key !== undefined) this.#keys.set(item.key, item);
  }

  /** What a message with this key replaces. */
  withKey(key: string | undefined): Item | undefined {
    return key === undefined ? undefined : this.#byKey?.get(key);
  }

  /** Puts an item into the place of one that is queued or staged. */
  replace(old: Item, item: Item): void {
    if (item.position >= 0) this.remove(item);
    const slot = old.position & this.#mask;
    const isQueued = this.isQueued(old);
    this.#slots[slot] = item;
    this.#sizes[slot] = item.size;
    item.position = old.position;
    old.position = -1;
    this.queuedBytes += item.size - old.size;
    if (isQueued && item.key !== undefined) this.#keys.set(item.key, item);
  }

  /** Leaves room for so many items before everything else. */
  reserve(count: number): void {
    this.#rebuild(count);
    this.#head =
      this.#flushed =
      this.#sent =
      this.#fresh =
        count;
  }

  /** Puts an item before everything else, when no socket has any. */
  unshift(item: Item): void {
    if (this.#sent === 0) this.reserve(Math.max(FEWEST_SLOTS, this.#tail));
    const position = this.#sent - 1;
    this.#slots[position & this.#mask] = item;
    this.#sizes[position & this.#mask] = item.size;
    item.position = position;
    this.#head =
      this.#flushed =
      this.#sent =
      this.#fresh =
        position;
    this.#leaving = 0;
    this.queuedCount++;
    this.queuedBytes += item.size;
    const { key } = item;
    if (key !== undefined && !this.#keys.has(key)) this.#keys.set(key, item);
  }

  // Taking out -----------------------------------------------------------------

  /** The next message for the socket. */
  get next(): Message | Item | undefined {
    this.#skipSent();
    if (this.#sent === this.#stored) return undefined;
    return this.#slots[this.#sent & this.#mask];
  }

  /** The size of the next message. */
  get nextSize(): number {
    return this.#sizes[this.#sent & this.#mask] ?? 0;
  }

  /** The next message is given to the socket now. */
  take(): void {
    const slot = this.#sent & this.#mask;
    const size = this.#sizes[slot] ?? 0;
    const message = this.#slots[slot];
    if (this.#sent < this.#fresh) this.redelivered++;
    else this.#fresh = this.#sent + 1;
    this.#sent++;
    this.takenCount++;
    this.takenBytes += size;
    this.inSocket++;
    this.queuedCount--;
    this.queuedBytes -= size;
    this.inFlightCount++;
    this.inFlightBytes += size;
    this.#socketBytes += size;
    if (message instanceof Item) this.#forgetKey(message);
  }

  /** These bytes, nobody's message, are given to the socket now. */
  addUrgent(bytes: number): void {
    // Before all messages they have no place: whether those have left does not
    // depend on it.
    if (this.#flushed === this.#sent) return;
    this.#urgent ??= new Map();
    this.#urgent.set(this.#sent, (this.#urgent.get(this.#sent) ?? 0) + bytes);
    this.#socketBytes += bytes;
  }

  /** Whether the first message in the socket has no bytes. */
  get isNextFlushEmpty(): boolean {
    return this.#flushed < this.#sent &&
      this.#sizes[this.#flushed & this.#mask] === 0;
  }

  /**
   * The socket still has so many bytes: the last ones that it was given.
   * `afterTurn`: what it was given before, it has had for a turn of the event
   * loop. Returns the items that are settled by it.
   */
  flushTo(buffered: number, afterTurn: boolean): Item[] | undefined {
    let settled: Item[] | undefined;
    while (this.#flushed < this.#sent) {
      const slot = this.#flushed & this.#mask;
      const size = this.#sizes[slot] ?? 0;
      const after = this.#socketBytes - Math.max(0, size);
      const message = this.#slots[slot];
      if (size > 0) {
        if (buffered > after) break;
      } else if (size === 0 && buffered >= after) {
        // Nobody sees an empty message leave. It has, when with nothing before
        // it there was a turn of the event loop to do so.
        const hasLeft = afterTurn && buffered === after &&
          this.#flushed < this.#leaving;
        if (!hasLeft) break;
      }
      this.#flushed++;
      if (size !== PASSED) this.inSocket--;
      this.#socketBytes = after - this.#takeUrgent();
      if (this.#isSettledByFlush(message)) {
        this.#slots[slot] = undefined;
        this.inFlightCount--;
        this.inFlightBytes -= size;
        if (size > this.largestFlushed) this.largestFlushed = size;
        if (message instanceof Item) {
          message.position = -1;
          (settled ??= []).push(message);
        }
      }
    }
    if (afterTurn) this.#noteLeaving(buffered);
    if (this.#head < this.#flushed && !this.#awaitsAcks) {
      this.#head = this.#flushed;
    }
    if (this.#tail === this.#flushed) this.#shrink();
    return settled;
  }

  /** Takes out an item, wherever it is. */
  remove(item: Item): void {
    const { position, size } = item;
    const slot = position & this.#mask;
    if (position < this.#sent) {
      this.inFlightCount--;
      this.inFlightBytes -= size;
    } else if (position < this.#admitted) {
      this.queuedCount--;
      this.queuedBytes -= size;
    } else {
      this.#countWaiting(item, -1);
    }
    // The socket still has its bytes.
    if (position >= this.#sent) this.#sizes[slot] = 0;
    this.#slots[slot] = undefined;
    item.position = -1;
    this.#forgetKey(item);
  }

  /** Whether the item has its place before the disk or a socket's. */
  isQueued({ position }: Item): boolean {
    return position >= this.#sent && position < this.#stored;
  }

  /** Whether the item is staged. */
  isStaged({ position }: Item): boolean {
    return position >= this.#stored && position < this.#admitted;
  }

  /** Whether the sender of this item waits for room. */
  isWaiting({ position }: Item): boolean {
    return position >= this.#admitted;
  }

  /** Whether the item can be taken back: no socket has it. */
  isHere({ position }: Item): boolean {
    return position >= this.#sent;
  }

  /** The messages in flight, the first one first. */
  *inFlight(): Generator<Message | Item, undefined> {
    for (let at = Math.min(this.first, this.#sent); at < this.#sent; at++) {
      const message = this.#slots[at & this.#mask];
      if (message !== undefined) yield message;
    }
  }

  /** Takes out the oldest queued message that no socket has had. */
  takeFresh(): Message | Item | undefined {
    this.#skipSent();
    return this.#takeFrom(Math.max(this.#fresh, this.#sent));
  }

  /** Takes out the oldest queued message. */
  takeQueued(): Message | Item | undefined {
    this.#skipSent();
    return this.#takeFrom(this.#sent);
  }

  /** How many queued messages, and bytes, were in a socket before. */
  get returned(): { readonly count: number; readonly bytes: number } {
    let count = 0;
    let bytes = 0;
    for (let at = this.#sent; at < this.#fresh; at++) {
      if (this.#slots[at & this.#mask] === undefined) continue;
      count++;
      bytes += this.#sizes[at & this.#mask] ?? 0;
    }
    return { count, bytes };
  }

  /** The items that no socket has, staged and waiting ones too. */
  *items(): Generator<Item, undefined> {
    for (let at = this.#sent; at < this.#tail; at++) {
      const item = itemAt(this.#slots[at & this.#mask]);
      if (item !== undefined) yield item;
    }
  }

  // A connection ends ------------------------------------------------------------

  /** What is in flight goes back to the head of the queue. */
  rewind(): void {
    this.#sent = this.#flushed = Math.min(this.first, this.#sent);
    this.queuedCount += this.inFlightCount;
    this.queuedBytes += this.inFlightBytes;
    this.#nothingInSocket();
  }

  /** What is in flight is settled, all of it; returns it. */
  settleInFlight(): (Message | Item)[] {
    const settled = [...this.inFlight()];
    for (let at = Math.min(this.first, this.#sent); at < this.#sent; at++) {
      const message = itemAt(this.#slots[at & this.#mask]);
      if (message !== undefined) message.position = -1;
      this.#slots[at & this.#mask] = undefined;
    }
    this.#flushed = this.#sent;
    this.#nothingInSocket();
    return settled;
  }

  /** Where the largest message in flight is, if there is one. */
  get largestInFlight():
    | { readonly position: number; readonly size: number }
    | undefined {
    let position = -1;
    for (let at = Math.min(this.first, this.#sent); at < this.#sent; at++) {
      if (this.#slots[at & this.#mask] === undefined) continue;
      if (this.#sizeAt(at) > this.#sizeAt(position)) position = at;
    }
    return position < 0
      ? undefined
      : { position, size: this.#sizeAt(position) };
  }

  // Looking ----------------------------------------------------------------------

  /** Marks the end of what is admitted. */
  mark(): Mark {
    const mark = { position: this.#admitted };
    this.#marks ??= new Set();
    this.#marks.add(mark);
    return mark;
  }

  /** Forgets a mark. */
  unmark(mark: Mark): void {
    this.#marks?.delete(mark);
  }

  /** Whether there is nothing at all. */
  get isEmpty(): boolean {
    return this.queuedCount + this.inFlightCount + this.waitingCount === 0;
  }

  /** Whether everything before the mark is settled or dropped. */
  isSettled(mark: Mark): boolean {
    return this.first >= mark.position;
  }

  /** The position of the first message that is not settled. */
  get first(): number {
    return this.#head = this.#skipHoles(this.#head, this.#tail);
  }

  // Inside -----------------------------------------------------------------------

  get #keys(): Map<string, Item> {
    return this.#byKey ??= new Map();
  }

  #sizeAt(position: number): number {
    return position < 0 ? -1 : this.#sizes[position & this.#mask] ?? 0;
  }

  #skipHoles(from: number, to: number): number {
    while (from < to && this.#slots[from & this.#mask] === undefined) from++;
    return from;
  }

  /** Passes the holes before the next message. */
  #skipSent(): void {
    this.#stored = this.#skipHoles(this.#stored, this.#admitted);
    const next = this.#skipHoles(this.#sent, this.#stored);
    if (next === this.#sent) return;
    if (this.#flushed === this.#sent) this.#flushed = next;
    for (let at = Math.max(this.#sent, this.#flushed); at < next; at++) {
      this.#sizes[at & this.#mask] = PASSED;
    }
    this.#sent = next;
  }

  #takeFrom(position: number): Message | Item | undefined {
    // What is passed now need not be passed again.
    const at = this.#skipHoles(position, this.#admitted);
    if (position === this.#fresh) this.#fresh = at;
    return at === this.#admitted ? undefined : this.takeAt(at);
  }

  /** Takes out the message at a position where there is one. */
  takeAt(position: number): Message | Item {
    const slot = position & this.#mask;
    const message = this.#slots[slot] ?? "";
    if (message instanceof Item) {
      this.remove(message);
      return message;
    }
    const size = this.#sizes[slot] ?? 0;
    this.#slots[slot] = undefined;
    if (position < this.#sent) {
      this.inFlightCount--;
      this.inFlightBytes -= size;
    } else {
      this.queuedCount--;
      this.queuedBytes -= size;
      this.#sizes[slot] = 0;
    }
    return message;
  }

  #isSettledByFlush(message: Slot): boolean {
    if (message === undefined) return false;
    // Without an id nobody knows what acknowledges it.
    return !this.#awaitsAcks || itemAt(message)?.id === undefined;
  }

  #noteLeaving(buffered: number): void {
    this.#leaving = 0;
    if (buffered !== this.#socketBytes) return;
    let at = this.#flushed;
    while (at < this.#sent && this.#sizeAt(at) <= 0) at++;
    this.#leaving = at;
  }

  #takeUrgent(): number {
    if (this.#urgent === undefined) return 0;
    const bytes = this.#urgent.get(this.#flushed) ?? 0;
    this.#urgent.delete(this.#flushed);
    if (this.#urgent.size === 0) this.#urgent = undefined;
    return bytes;
  }

  #nothingInSocket(): void {
    this.inFlightCount = this.inFlightBytes = this.inSocket = 0;
    this.#socketBytes = this.#leaving = this.largestFlushed = 0;
    this.#urgent = undefined;
  }

  #countWaiting({ key }: Item, change: 1 | -1): void {
    this.waitingCount += change;
    if (key === undefined) return;
    this.#waitingKeys ??= new Map();
    const count = (this.#waitingKeys.get(key) ?? 0) + change;
    if (count > 0) this.#waitingKeys.set(key, count);
    else this.#waitingKeys.delete(key);
  }

  #forgetKey(item: Item): void {
    const { key } = item;
    if (key !== undefined && this.withKey(key) === item) {
      this.#byKey?.delete(key);
    }
  }

  /** Makes sure that there is a slot after the tail. */
  #makeRoom(): void {
    const begin = this.#head < this.#flushed ? this.#head : this.#flushed;
    if (this.#tail - begin > this.#mask) this.#rebuild(0);
  }

  /** An empty ring that was large once gives its memory back. */
  #shrink(): void {
    const used = this.#tail - this.#emptiedAt;
    if (this.#mask >= MOST_SLOTS_KEPT && used * 4 < this.#mask) {
      this.#rebuild(0);
    }
    this.#emptiedAt = this.#tail;
  }

  /**
   * A ring of the right size, without the holes. So many positions are left
   * free before everything else.
   */
  #rebuild(before: number): void {
    const begin = Math.min(this.first, this.#flushed);
    const from = { slots: this.#slots, sizes: this.#sizes, mask: this.#mask };
    /** The new position of each old one. */
    const moved = new Float64Array(this.#tail - begin + 1);
    let kept = before;
    for (let at = begin; at < this.#tail; at++) {
      moved[at - begin] = kept;
      if (this.#isKept(at)) kept++;
    }
    moved[this.#tail - begin] = kept;
    let capacity = FEWEST_SLOTS;
    while (capacity < kept * 1.5) capacity *= 2;
    this.#slots = new Array<Slot>(capacity).fill(undefined);
    this.#sizes = new Array<number>(capacity).fill(0);
    this.#mask = capacity - 1;
    const move = (old: number) => moved[Math.max(0, old - begin)] ?? kept;
    for (let at = begin; at < this.#tail; at++) {
      const to = move(at);
      if (to === move(at + 1)) continue;
      const message = from.slots[at & from.mask];
      this.#slots[to] = message;
      this.#sizes[to] = from.sizes[at & from.mask] ?? 0;
      if (message instanceof Item) message.position = to;
    }
    this.#head = move(this.#head);
    this.#flushed = move(this.#flushed);
    this.#sent = move(this.#sent);
    this.#stored = move(this.#stored);
    this.#admitted = move(this.#admitted);
    this.#fresh = move(this.#fresh);
    this.#tail = kept;
    this.#emptiedAt = 0;
    this.#leaving = move(this.#leaving);
    this.#moveUrgent(move);
    for (const mark of this.#marks ?? []) mark.position = move(mark.position);
  }

  /** Whether there is a message, or the place of one that the socket has. */
  #isKept(position: number): boolean {
    if (this.#slots[position & this.#mask] !== undefined) return true;
    return position >= this.#flushed && position < this.#sent &&
      this.#sizeAt(position) !== PASSED;
  }

  #moveUrgent(move: (position: number) => number): void {
    const old = this.#urgent;
    this.#urgent = undefined;
    for (const [position, bytes] of old ?? []) {
      const to = move(position);
      this.#urgent ??= new Map();
      this.#urgent.set(to, (this.#urgent.get(to) ?? 0) + bytes);
    }
  }
}

function itemAt(slot: Slot): Item | undefined {
  return slot instanceof Item ? slot : undefined;
}

function emptySlots(): Slot[] {
  return new Array<Slot>(FEWEST_SLOTS).fill(undefined);
}

function emptySizes(): number[] {
  return new Array<number>(FEWEST_SLOTS).fill(0);
}
