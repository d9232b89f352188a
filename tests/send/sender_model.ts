/**
 * What may happen to outgoing messages, told as simply as possible, and a
 * `Sender` beside it that has to keep to it.
 *
 * The model does not know when the socket is given something: it follows what
 * the socket gets, what is reported and what the disk is asked for, and says
 * whether that was right. Everything else it knows beforehand.
 */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import type { FakeTime } from "@std/testing/time";
import type { SendOverflow } from "../../src/config.ts";
import { WSError, type WSErrorCode } from "../../src/errors.ts";
import type { DropReason } from "../../src/callbacks.ts";
import { Sender } from "../../src/send/sender.ts";
import type { SpoolFile, Stored } from "../../src/send/spool_file.ts";
import type { SendWindow } from "../../src/transport/transport.ts";
import { FakeSocket, ManualTurns, toText } from "./fake_socket.ts";

export interface Setup {
  readonly mode: "unflushed" | "none" | "acknowledged";
  readonly overflow: SendOverflow;
  readonly maxSize: number;
  readonly maxBytes: number;
  readonly ackWindow: number;
  /** How many of ten messages are sent without options. */
  readonly plain: number;
  readonly socket: SendWindow;
  readonly rate:
    | { readonly messages: number; readonly interval: number }
    | undefined;
  /** How many messages are in the spool; `undefined`: there is none. */
  readonly spool: number | undefined;
  /** What the program does when it is told of a drop. */
  readonly onDrop: "nothing" | "trySend" | "clear" | "flush" | "replace";
}

export type Step =
  | {
    readonly do: "send";
    readonly how: "send" | "trySend";
    readonly size: number;
    readonly binary: boolean;
    /** From 0 to 9: in some setups it is sent without its options. */
    readonly turn: number;
    readonly ttl: number | undefined;
    readonly key: string | undefined;
    readonly signal: number | undefined;
    /** Whether it is meant for a connection that is being set up. */
    readonly targeted: boolean;
  }
  | {
    readonly do:
      | "attach"
      | "pause"
      | "close"
      | "turn"
      | "flush"
      | "clear"
      | "open"
      | "rotate"
      | "release"
      | "burst";
  }
  | {
    readonly do: "cut";
    readonly unseen: number;
    readonly open: boolean;
    readonly tooLarge: boolean;
  }
  | { readonly do: "drain"; readonly count: number }
  | { readonly do: "advance" | "late" | "step"; readonly ms: number }
  | { readonly do: "abort"; readonly signal: number }
  | { readonly do: "acknowledge"; readonly picks: readonly number[] }
  | { readonly do: "urgent"; readonly size: number }
  | { readonly do: "disk"; readonly state: Disk };

/** What a disk takes: all, only erasures, or nothing. */
type Disk = "well" | "full" | "broken";

export const SIGNALS = 3;

/** A message, as the model sees it. */
interface Item {
  readonly text: string;
  readonly size: number;
  readonly expires: number;
  readonly key: string | undefined;
  readonly signal: AbortSignal | undefined;
  target: object | undefined;
  /** Where it is among all that its socket was given. */
  place: number;
  /** A socket has had it. */
  isHanded: boolean;
  /** It has no bytes, and was the next to leave the socket a turn ago. */
  wasLeaving: boolean;
  /** Its place in the order of all that was accepted. */
  order: number;
  /** Whether a promise was returned for it. */
  hasSender: boolean;
  /** What it replaced on the way to the disk. */
  older: Item[];
  /** What its sender must see; undefined while it waits. */
  outcome: WSErrorCode | "accepted" | undefined;
  /** What its sender sees. */
  seen: unknown;
}

interface Flush {
  /** It waits for what is before this place in the order. */
  readonly before: number;
  hasLost: boolean;
  result: unknown;
}

/** One sender, real and modelled. */
export class SenderModel {
  readonly #setup: Setup;
  readonly #time: FakeTime;
  readonly #turns = new ManualTurns();
  readonly #sender: Sender;
  readonly #disk: FakeDisk;
  readonly #controllers = Array.from(
    { length: SIGNALS },
    () => new AbortController(),
  );
  #now = 1_000;
  #wallOffset = 1_000_000;
  #socket: FakeSocket | undefined;
  #isPaused = false;
  /** The connection that has the queue, and the one that is being set up. */
  #target: object | undefined;
  #nextTarget: object | undefined;
  #serial = 0;
  #order = 0;
  #dropped = 0;
  #lost = 0;
  #redelivered = 0;
  #queue: Item[] = [];
  /** On their way to the disk. */
  #staged: Item[] = [];
  /** What was staged when the disk was asked, while that is not dealt with. */
  #asked: Item[] | undefined;
  #waiting: Item[] = [];
  /** In the socket and not known to be settled. */
  #inFlight: Item[] = [];
  #largestFlushed = 0;
  #lastLost: Item[] = [];
  #restored: Item[] | undefined;
  #hasOpened = false;
  /** When messages left, for the rate. */
  #left: number[] = [];
  #isUrgent = false;
  #isTurn = false;
  #isPlain = false;
  #hasEnded = false;
  #reporting: DropReason | undefined;
  #nested = 0;
  /** What has to be reported. */
  #expected: string[] = [];
  #senders: Item[] = [];
  #flushes: Flush[] = [];

  constructor(setup: Setup, time: FakeTime) {
    this.#setup = setup;
    this.#time = time;
    this.#disk = new FakeDisk((texts) => {
      if (this.#asked !== undefined) return;
      this.#admit();
      if (texts.length !== this.#staged.length) {
        this.#expire();
        this.#admit();
      }
      const staged = this.#staged.map(({ text }) => text);
      assertEquals(texts.toSorted(), staged.toSorted(), "all that is staged");
      this.#asked = [...this.#staged];
    });
    this.#sender = new Sender({
      sendQueueMaxSize: setup.maxSize,
      sendQueueMaxBytes: setup.maxBytes,
      overflow: setup.overflow,
      redeliver: setup.mode === "acknowledged"
        ? {
          id: (data) => idOf(toText(data)),
          acknowledged: (data) => toText(data).split(","),
          window: setup.ackWindow,
        }
        : setup.mode,
      spool: setup.spool === undefined ? undefined : "queue.spool",
      sendRate: setup.rate,
    }, {
      notifier: {
        drop: (data, reason) => this.#onDrop(toText(data), reason),
        error: (error) => {
          assertEquals([error.code, this.#disk.hasFailed], ["SPOOL", true]);
        },
      },
      refuseToWait: () => undefined,
      clock: {
        monotonic: () => this.#now,
        wall: () => this.#now + this.#wallOffset,
      },
      turn: this.#turns.turn,
      openSpool: () => {
        const messages = this.#disk.begin(setup.spool ?? 0);
        return Promise.resolve({ file: this.#disk, messages });
      },
    });
  }

  /** Does one step, and compares. */
  async run(step: Step): Promise<void> {
    await this.#do(step);
    await this.#compare();
  }

  /** Once a connection and the disk work, everything goes out. */
  async finish(): Promise<void> {
    this.#disk.state = "well";
    // The program sends no more.
    this.#nested = 1;
    if (this.#nextTarget !== undefined) this.#release();
    await this.#open();
    this.#close();
    this.#attach();
    for (let round = 0; this.#isBusy(); round++) {
      assert(round < 1000, "everything goes out in the end");
      this.#drain(Infinity);
      this.#turn();
      await this.#compare();
      await this.#advance(this.#setup.rate === undefined ? 300 : 5);
      this.#acknowledge([0, 1, 2, 3, 4, 5, 6]);
      await this.#compare();
    }
    await this.#advance(1_500);
    for (let i = 0; i < 3; i++) this.#turn();
    assertEquals(this.#expected, []);
    assertEquals(this.#disk.texts, []);
    for (const { result } of this.#flushes) assert(result !== undefined);
  }

  /** Ends it; everybody who waits is told. */
  async end(): Promise<void> {
    const error = new WSError("over", { code: "STOPPED", severity: "fatal" });
    this.#hasEnded = true;
    if (this.#socket?.isOpen) this.#sampled();
    if (this.#socket !== undefined) this.#endConnection(false, false);
    const result = this.#sender.end(error);
    this.#settleCommit();
    for (const item of this.#staged) {
      // The spool was never open.
      for (const older of item.older) older.outcome = "STOPPED";
      if (item.hasSender) item.outcome = "STOPPED";
    }
    const kept = this.#staged.filter(({ hasSender }) => !hasSender);
    const left = [...this.#queue, ...kept, ...this.#lastLost];
    for (const item of this.#waiting) item.outcome = "STOPPED";
    await microtasks();
    assertEquals(this.#expected, []);
    if (this.#setup.onDrop === "nothing") {
      assertEquals(result, { unsent: left.length, unsentBytes: total(left) });
    }
    this.#compareSenders();
    for (const { result } of this.#flushes) assert(result !== undefined);
    assertEquals(this.#sender.trySend("late"), false);
    assertEquals([this.#turns.count, this.#sender.stats.queued], [0, 0]);
  }

  #isBusy(): boolean {
    return this.#queue.length + this.#staged.length + this.#waiting.length +
        this.#inFlight.length > 0;
  }

  async #do(step: Step): Promise<void> {
    switch (step.do) {
      case "send":
        return this.#send(step);
      case "attach":
        return this.#attach();
      case "pause":
        if (this.#socket?.isOpen) this.#sampled();
        this.#isPaused = true;
        this.#sender.pause();
        if (this.#socket !== undefined) this.#operationEnds();
        return;
      case "close":
        return this.#close();
      case "cut":
        return this.#cut(step.unseen, step.open, step.tooLarge);
      case "drain":
        return this.#drain(step.count);
      case "turn":
        return this.#turn();
      case "advance":
        return await this.#advance(step.ms);
      case "late":
        // The event loop is late: no timer fires.
        this.#now += step.ms;
        return;
      case "step":
        this.#wallOffset += (step.ms - 10) * 100_000;
        return;
      case "abort":
        return this.#abort(step.signal);
      case "acknowledge":
        return this.#acknowledge(step.picks);
      case "urgent":
        return this.#urgent(step.size);
      case "flush":
        return this.#flush();
      case "clear":
        return this.#clear();
      case "open":
        return await this.#open();
      case "disk":
        this.#disk.state = step.state;
        return;
      case "rotate":
        this.#nextTarget ??= {};
        return;
      case "release":
        return this.#release();
      case "burst":
        return this.#burst();
      default:
        step satisfies never;
    }
  }

  // What the steps do ---------------------------------------------------------

  #send(step: Step & { do: "send" }): void {
    const isBare = step.turn < this.#setup.plain;
    const { how, binary } = step;
    // On the disk messages are told apart by their text.
    const size = this.#setup.spool === undefined ? step.size : step.size || 7;
    const { ttl, key, signal: index = SIGNALS } = isBare
      ? { ttl: undefined, key: undefined, signal: undefined }
      : step;
    const signal = this.#controllers[index]?.signal;
    const target = step.targeted ? this.#nextTarget : undefined;
    const item = this.#item(size, {
      expires: ttl === undefined ? Infinity : this.#now + ttl,
      key,
      signal,
      target,
    });
    item.hasSender = how === "send";
    const data = binary ? new TextEncoder().encode(item.text) : item.text;
    const options = isBare ? undefined : { ttl, key, signal };
    const verdict = signal?.aborted ? "aborted" : this.#offer(item);
    // The short way: nothing else happens meanwhile.
    this.#isPlain = verdict === "accepted" && options === undefined &&
      target === undefined && this.#setup.mode !== "acknowledged" &&
      this.#setup.spool === undefined && this.#waiting.length === 0;
    if (how === "trySend") {
      const isAccepted = this.#sender.trySend(data, options, target);
      assertEquals(isAccepted, verdict === "accepted", item.text);
      // From now on the program may do with its memory what it likes.
      if (typeof data !== "string") data.fill(0);
    } else {
      this.#senders.push(item);
      this.#sender.send(data, options, target).then(
        () => item.seen = "accepted",
        (error) => item.seen = error,
      );
      if (verdict === "aborted") item.outcome = "ABORTED";
      else if (verdict === "too large") item.outcome = "TOO_LARGE";
      else if (verdict === "refused") item.outcome = "QUEUE_FULL";
      else if (verdict === "dropped") item.outcome = "accepted";
      else if (verdict === "accepted" && this.#setup.spool === undefined) {
        item.outcome = "accepted";
      }
    }
    this.#operationEnds();
    this.#isPlain = false;
  }

  /** Many at once, of every kind. */
  #burst(): void {
    for (let i = 0; i < 25; i++) {
      this.#send({
        do: "send",
        how: "trySend",
        size: 7,
        binary: false,
        turn: i % 10,
        ttl: i % 4 === 1 ? 1 + i : undefined,
        key: i % 6 === 2 ? "a" : undefined,
        signal: i % 5 === 3 ? i % SIGNALS : undefined,
        targeted: false,
      });
    }
  }

  #item(
    size: number,
    options: Pick<Item, "expires" | "key" | "signal" | "target">,
  ): Item {
    const serial = this.#serial++;
    return {
      text: `${serial % 6}${serial}:`.padEnd(size, "x").slice(0, size),
      size,
      ...options,
      place: Infinity,
      isHanded: false,
      wasLeaving: false,
      order: NaN,
      hasSender: false,
      older: [],
      outcome: undefined,
      seen: undefined,
    };
  }

  /** What must become of a message; it is where it belongs. */
  #offer(item: Item) {
    const { maxBytes, overflow } = this.#setup;
    if (item.size > maxBytes) return "too large";
    if (this.#mayEnter(item)) {
      this.#enter(item);
      return "accepted";
    }
    if (overflow === "wait") {
      if (item.hasSender) this.#waiting.push(item);
      return "full";
    }
    if (overflow === "reject" || this.#reporting === "overflow") {
      return "refused";
    }
    const fresh = [...this.#queue, ...this.#staged]
      .filter(({ isHanded }) => !isHanded);
    if (overflow === "drop-oldest" && this.#fits(item, fresh)) {
      for (const oldest of fresh) {
        if (this.#fits(item)) break;
        this.#drop(oldest, "overflow");
      }
      this.#enter(item);
      return "accepted";
    }
    if (item.hasSender) this.#expect(item, "overflow");
    return "dropped";
  }

  #mayEnter(item: Item): boolean {
    if (this.#waiting.length > 0) {
      const list = this.#setup.spool === undefined ? this.#queue : this.#staged;
      return this.#withKey(list, item.key) !== undefined && this.#fits(item) &&
        !this.#waiting.some(({ key }) => key === item.key);
    }
    if (this.#fits(item)) return true;
    this.#expire();
    return this.#fits(item);
  }

  #attach(): void {
    if (this.#socket !== undefined) this.#cut(0, this.#socket.isOpen, false);
    const target = this.#nextTarget;
    this.#nextTarget = undefined;
    this.#socket = new FakeSocket(
      this.#setup.socket,
      (data) => this.#onSent(toText(data)),
    );
    this.#isPaused = false;
    this.#target = target;
    this.#lastLost = [];
    this.#sender.attach(
      watched(this.#socket, () => {
        if (!this.#isUrgent && this.#socket?.isOpen) this.#sampled();
      }),
      target,
    );
    this.#operationEnds();
  }

  #cut(unseen: number, isOpen: boolean, tooLarge: boolean): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    socket.drain(unseen);
    socket.isOpen &&= isOpen;
    if (socket.isOpen) this.#sampled();
    this.#endConnection(false, tooLarge);
    this.#sender.detach({ flushed: false, tooLarge });
    this.#operationEnds();
  }

  #close(): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    if (socket.isOpen) this.#sampled();
    this.#isPaused = true;
    this.#sender.pause();
    this.#operationEnds();
    socket.isOpen = false;
    socket.drain();
    this.#endConnection(true, false);
    this.#sender.detach({ flushed: true });
    this.#operationEnds();
  }

  #endConnection(flushed: boolean, tooLarge: boolean): void {
    const { mode } = this.#setup;
    if (tooLarge) this.#dropLargest();
    const back = this.#inFlight;
    this.#inFlight = [];
    for (const item of back) {
      item.place = Infinity;
      item.wasLeaving = false;
    }
    if (mode === "none" && !flushed) {
      for (const item of back) this.#lose(item);
      this.#lost += back.length;
      this.#lastLost = back;
    } else if (mode === "acknowledged" || !flushed) {
      this.#queue.unshift(...back);
      for (const item of back) {
        if (item.signal?.aborted) this.#drop(item, "aborted");
      }
    }
    this.#socket = undefined;
    this.#largestFlushed = 0;
    for (const item of this.#everybody()) {
      if (item.target === this.#target) item.target = undefined;
    }
    this.#target = undefined;
  }

  #dropLargest(): void {
    let largest: Item | undefined;
    for (const item of this.#inFlight) {
      if (item.size > (largest?.size ?? -1)) largest = item;
    }
    if (largest === undefined || largest.size < this.#largestFlushed) return;
    this.#lose(largest);
    remove(this.#inFlight, largest);
    this.#expect(largest, "too-large");
  }

  #drain(count: number): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    const before = socket.bytesLeft;
    socket.drain(count);
    const { reportsProgress } = this.#setup.socket;
    if (!reportsProgress || socket.bytesLeft === before) return;
    this.#sender.onProgress();
    this.#settle();
  }

  #turn(): void {
    this.#socket?.drainEmpty();
    this.#isTurn = true;
    this.#turns.pass();
    this.#operationEnds();
    this.#isTurn = false;
  }

  async #advance(ms: number): Promise<void> {
    for (let i = 0; i < ms; i++) {
      this.#now++;
      this.#socket?.drainEmpty();
      this.#isTurn = true;
      this.#time.tick(1);
      this.#isTurn = false;
      await microtasks();
      this.#noticeExpiry();
      this.#settle();
    }
  }

  /** Whether a timer has fired, or the socket was given something. */
  #noticeExpiry(): void {
    this.#settleDisk();
    const isExpired = this.#waiting.some(({ seen }) => seen !== undefined) ||
      this.#sender.stats.dropped > this.#dropped + this.#expected.length;
    if (isExpired) this.#expire();
  }

  #abort(index: number): void {
    const controller = this.#controllers[index];
    if (controller === undefined || controller.signal.aborted) return;
    const isMine = ({ signal }: Item) => signal === controller.signal;
    const isWatched = [...this.#everybody(), ...this.#inFlight].some(isMine);
    for (const item of this.#waiting.filter(isMine)) {
      item.outcome = "ABORTED";
      remove(this.#waiting, item);
    }
    for (const item of [...this.#queue, ...this.#staged].filter(isMine)) {
      this.#drop(item, "aborted");
    }
    controller.abort();
    if (isWatched) this.#operationEnds();
  }

  #acknowledge(picks: readonly number[]): void {
    if (this.#setup.mode !== "acknowledged") return;
    const ids = picks.map((pick) =>
      ["0", "1", "2", "3", "4", "5", ""][pick] ?? "?"
    );
    for (const id of ids.length === 0 ? [""] : ids) {
      const item = [...this.#inFlight, ...this.#queue]
        .find(({ text }) => idOf(text) === id);
      if (item === undefined) continue;
      remove(this.#inFlight, item);
      remove(this.#queue, item);
    }
    this.#sender.acknowledge(ids.join(","));
    this.#operationEnds();
  }

  #urgent(size: number): void {
    this.#isUrgent = true;
    const isOpen = this.#socket?.isOpen === true;
    if (isOpen) this.#left.push(this.#now);
    assertEquals(this.#sender.sendUrgent("!".repeat(size)), isOpen);
    this.#isUrgent = false;
  }

  #flush(): void {
    const flush: Flush = {
      before: this.#order,
      hasLost: false,
      result: undefined,
    };
    this.#flushes.push(flush);
    this.#sender.flush().then(
      (value) => flush.result = value,
      (error) => flush.result = error,
    );
  }

  #clear(): void {
    const all = [...this.#queue, ...this.#staged];
    for (const item of all) this.#drop(item, "cleared");
    assertEquals(this.#sender.clearQueue(), all.length);
    this.#operationEnds();
  }

  async #open(): Promise<void> {
    if (this.#hasOpened) return;
    this.#hasOpened = true;
    this.#restored = [];
    for (let i = 0; i < (this.#setup.spool ?? 0); i++) {
      const item = this.#item(3, {
        expires: Infinity,
        key: undefined,
        signal: undefined,
        target: undefined,
      });
      const order = i - (this.#setup.spool ?? 0);
      this.#restored.push({ ...item, order, text: restoredText(i) });
    }
    await this.#sender.open();
    if (this.#setup.spool !== undefined) this.#operationEnds();
  }

  #release(): void {
    const target = this.#nextTarget;
    if (target === undefined) return;
    this.#nextTarget = undefined;
    for (const item of this.#everybody()) {
      if (item.target === target) item.target = undefined;
    }
    this.#sender.release(target);
    this.#operationEnds();
  }

  // What is seen of the real one ------------------------------------------------

  #onSent(text: string): void {
    const place = (this.#socket?.sent.length ?? 0) - 1;
    if (this.#isUrgent) return;
    this.#settleDisk();
    if (!this.#isPlain) this.#expire();
    this.#expireHead();
    if (this.#queue[0]?.text !== text) {
      this.#admit();
      this.#expireHead();
    }
    const item = this.#queue.shift();
    assertEquals(text, item?.text, "the next message, and no other");
    assert(item !== undefined && !this.#isPaused);
    assert(item.target === undefined || item.target === this.#target);
    item.target = undefined;
    if (item.isHanded) this.#redelivered++;
    item.isHanded = true;
    item.place = place;
    this.#inFlight.push(item);
    this.#checkLimits(item);
    const isKept = this.#setup.spool !== undefined;
    const mayBeKept = this.#setup.mode !== "none";
    if (isKept) assertEquals(this.#disk.texts.includes(text), mayBeKept);
  }

  #checkLimits({ size }: Item): void {
    const { mode, ackWindow, rate, socket } = this.#setup;
    if (mode === "acknowledged") assert(this.#inFlight.length <= ackWindow);
    assert((this.#socket?.bytesLeft ?? 0) - size < socket.bytes);
    const recent = this.#left.filter((time) =>
      time > this.#now - (rate?.interval ?? 0)
    );
    assert(recent.length < (rate?.messages ?? Infinity), "within the rate");
    this.#left.push(this.#now);
  }

  #onDrop(text: string, reason: DropReason): void {
    this.#settleDisk();
    if (!this.#hasEnded) this.#expire();
    this.#admit();
    const report = `${reason} ${text}`;
    if (this.#hasEnded && reason === "ended") {
      const all = [...this.#queue, ...this.#staged];
      assert(all.some((item) => item.text === text));
      assertEquals(this.#disk.texts.includes(text), false, "it stays there");
      return;
    }
    const index = this.#expected.indexOf(report);
    assert(index >= 0, `${report} is reported, and not ${this.#expected}`);
    this.#expected.splice(index, 1);
    this.#dropped++;
    if (this.#hasEnded || this.#nested > 0) return;
    this.#reporting = reason;
    this.#nested++;
    this.#react();
    this.#nested--;
    this.#reporting = undefined;
  }

  /** What the program does inside its callback. */
  #react(): void {
    const { onDrop } = this.#setup;
    switch (onDrop) {
      case "nothing":
        return;
      case "clear":
        return this.#clear();
      case "flush":
        return this.#flush();
      case "trySend":
      case "replace":
        // At times: else two messages could replace each other for ever.
        if (this.#serial % 3 === 0) return;
        return this.#send({
          do: "send",
          how: "trySend",
          size: 7,
          binary: false,
          turn: onDrop === "replace" ? 9 : 0,
          ttl: undefined,
          key: onDrop === "replace" ? "a" : undefined,
          signal: undefined,
          targeted: false,
        });
      default:
        onDrop satisfies never;
    }
  }

  // The model itself --------------------------------------------------------------

  /** The real one has done all that follows from an operation. */
  #operationEnds(): void {
    this.#settleOpening();
    if (!this.#isPlain && !this.#isTurn) this.#expire();
    this.#settle();
  }

  #settle(): void {
    this.#settleDisk();
    this.#admit();
  }

  #settleDisk(): void {
    this.#settleOpening();
    this.#settleCommit();
  }

  #settleOpening(): void {
    if (this.#restored === undefined || !this.#disk.isOpen) return;
    this.#queue.unshift(...this.#restored);
    this.#restored = undefined;
  }

  /** The disk was asked: what it took is queued, the rest is not accepted. */
  #settleCommit(): void {
    const asked = this.#asked;
    this.#asked = undefined;
    for (const item of asked ?? []) {
      if (!this.#staged.includes(item)) continue;
      remove(this.#staged, item);
      if (this.#disk.taken.has(item.text)) {
        this.#store(item);
      } else {
        for (const older of item.older) older.outcome = "SPOOL";
        if (item.hasSender) item.outcome = "SPOOL";
        else {
          this.#lose(item);
          this.#expect(item, "spool");
        }
      }
    }
  }

  #store(item: Item): void {
    const old = this.#withKey(this.#queue, item.key);
    this.#put(this.#queue, item, old);
    for (const older of item.older) {
      older.outcome = "accepted";
      this.#expect(older, "replaced");
    }
    item.older = [];
    item.outcome = "accepted";
  }

  #enter(item: Item): void {
    item.order = this.#order++;
    if (this.#setup.spool === undefined) {
      this.#put(this.#queue, item, this.#withKey(this.#queue, item.key));
      item.outcome = "accepted";
      return;
    }
    const old = this.#withKey(this.#staged, item.key);
    if (old === undefined) {
      this.#staged.push(item);
      return;
    }
    this.#replace(this.#staged, old, item);
    item.older = old.older;
    if (old.hasSender) item.older.push(old);
    else this.#expect(old, "replaced");
  }

  #put(list: Item[], item: Item, old: Item | undefined): void {
    if (old === undefined) {
      list.push(item);
      return;
    }
    this.#replace(list, old, item);
    this.#expect(old, "replaced");
  }

  #replace(list: Item[], old: Item, item: Item): void {
    list[list.indexOf(old)] = item;
    item.order = old.order;
  }

  /** Nobody sends it any more, of which `flush` is told. */
  #lose({ order }: Item): void {
    for (const flush of this.#flushes) {
      if (order < flush.before) flush.hasLost = true;
    }
  }

  #admit(): void {
    let item = this.#waiting[0];
    while (item !== undefined && !this.#hasEnded && this.#fits(item)) {
      this.#waiting.shift();
      this.#enter(item);
      item = this.#waiting[0];
    }
  }

  #withKey(list: readonly Item[], key: string | undefined): Item | undefined {
    return list.findLast((item) =>
      key !== undefined && item.key === key && !item.isHanded
    );
  }

  #replaced(key: string | undefined): Item | undefined {
    return this.#withKey(this.#staged, key) ?? this.#withKey(this.#queue, key);
  }

  /** Whether there is room, were these not there. */
  #fits(item: Item, without: readonly Item[] = []): boolean {
    const held = this.#setup.mode === "acknowledged" ? this.#inFlight : [];
    const all = [...this.#queue, ...this.#staged, ...held]
      .filter((other) => !without.includes(other));
    const { maxSize, maxBytes } = this.#setup;
    if (all.length < maxSize && total(all) + item.size <= maxBytes) return true;
    const old = without.length > 0 ? undefined : this.#replaced(item.key);
    return old !== undefined && (item.size <= old.size ||
      total(all) - old.size + item.size <= maxBytes);
  }

  #expire(): void {
    for (const item of this.#waiting.filter((item) => this.#isOver(item))) {
      item.outcome = "EXPIRED";
      remove(this.#waiting, item);
    }
    for (const item of [...this.#queue, ...this.#staged]) {
      if (this.#isOver(item)) this.#drop(item, "expired");
    }
  }

  #expireHead(): void {
    if (this.#isTurn) return this.#expire();
    for (let item = this.#queue[0]; item !== undefined;) {
      if (!this.#isOver(item)) return;
      this.#drop(item, "expired");
      item = this.#queue[0];
    }
  }

  #isOver({ expires }: Item): boolean {
    return expires <= this.#now;
  }

  #drop(item: Item, reason: DropReason): void {
    this.#lose(item);
    remove(this.#queue, item);
    remove(this.#staged, item);
    for (const older of item.older) {
      older.outcome = "accepted";
      this.#expect(older, "replaced");
    }
    item.older = [];
    item.outcome = "accepted";
    this.#expect(item, reason);
  }

  #expect({ text }: Item, reason: DropReason): void {
    this.#expected.push(`${reason} ${text}`);
  }

  #everybody(): Item[] {
    return [...this.#queue, ...this.#staged, ...this.#waiting];
  }

  /** The socket is looked at. */
  #sampled(): void {
    const socket = this.#socket;
    if (socket === undefined || this.#setup.mode === "acknowledged") return;
    const isFlushed = ({ place }: Item) => place < socket.flushed;
    const last = this.#inFlight.findLastIndex((item) =>
      item.size > 0 && isFlushed(item)
    );
    const urgent = socket.sent.findLastIndex((data, place) =>
      place < socket.flushed && data.length > 0
    );
    this.#flushTo((item, index) => index <= last || item.place <= urgent);
    if (!this.#isTurn) return;
    const isLeaving = ({ size, place }: Item) =>
      size === 0 &&
      socket.sent.slice(socket.flushed, place)
        .every(({ length }) => length === 0);
    while (this.#inFlight[0]?.wasLeaving) {
      const item = this.#inFlight[0];
      assert(isFlushed(item), "it is on the network");
      this.#flushTo((other) => other === item);
    }
    for (const item of this.#inFlight) {
      if (!isLeaving(item)) break;
      item.wasLeaving = true;
    }
  }

  #flushTo(isFlushed: (item: Item, index: number) => boolean): void {
    this.#inFlight = this.#inFlight.filter((item, index) => {
      if (!isFlushed(item, index)) return true;
      this.#largestFlushed = Math.max(this.#largestFlushed, item.size);
      return false;
    });
  }

  // Comparing -----------------------------------------------------------------------

  async #compare(): Promise<void> {
    await microtasks();
    this.#noticeExpiry();
    this.#settle();
    const queued = [...this.#queue, ...this.#staged];
    const sender = this.#sender;
    const { mode } = this.#setup;
    assertEquals(
      {
        queued: sender.stats.queued,
        bytes: sender.stats.queuedBytes,
        unacknowledged: sender.stats.unacknowledged,
        lost: sender.stats.lost,
        redelivered: sender.stats.redelivered,
      },
      {
        queued: queued.length,
        bytes: total(queued),
        unacknowledged: mode === "acknowledged" ? this.#inFlight.length : 0,
        lost: this.#lost,
        redelivered: this.#redelivered,
      },
    );
    assertEquals(sender.stats.dropped, this.#dropped + this.#expected.length);
    if (this.#turns.count === 0) assertEquals(this.#expected, []);
    assert(!queued.some(({ signal }) => signal?.aborted));
    this.#compareSenders();
    this.#compareFlushes();
    this.#checkDisk();
    this.#checkLiveness();
  }

  #compareFlushes(): void {
    const left = [...this.#queue, ...this.#inFlight, ...this.#staged];
    this.#flushes = this.#flushes.filter(({ before, hasLost, result }) => {
      const waits = left.some(({ order }) => order < before);
      assertEquals(result, waits ? undefined : !hasLost, "flushed");
      return waits;
    });
  }

  /** What is accepted and not settled is on the disk. */
  #checkDisk(): void {
    if (this.#setup.spool === undefined) return;
    const kept = this.#disk.texts;
    for (const { text } of this.#queue) assert(kept.includes(text), text);
    if (this.#setup.mode === "none") return;
    for (const { text } of this.#inFlight) assert(kept.includes(text), text);
  }

  /** With an empty socket the next message is not held back for no reason. */
  #checkLiveness(): void {
    const { socket, rate, mode, ackWindow, spool } = this.#setup;
    const next = this.#queue[0];
    const link = this.#socket;
    if (next === undefined || !link?.isOpen || this.#isPaused) return;
    const waits = this.#turns.count > 0 ||
      next.target !== undefined && next.target !== this.#target ||
      rate !== undefined || mode === "acknowledged" &&
        this.#inFlight.length >= ackWindow ||
      mode === "none" && spool !== undefined || link.flushed < link.sent.length;
    assert(waits || !socket.reportsProgress || link.bytesLeft > 0);
  }

  #compareSenders(): void {
    this.#senders = this.#senders.filter(({ outcome, seen, text }) => {
      if (outcome === undefined || outcome === "accepted") {
        assertEquals(seen, outcome, text);
      } else {
        assertInstanceOf(seen, WSError, text);
        assertEquals(seen.code, outcome);
      }
      return outcome === undefined;
    });
  }
}

/** A disk in memory. */
class FakeDisk implements SpoolFile {
  state: Disk = "well";
  isOpen = false;
  hasFailed = false;
  /** All that it ever took. */
  readonly taken = new Set<string>();
  readonly #rows = new Map<number, string>();
  readonly #onAsked: (texts: readonly string[]) => void;

  /** `onAsked` is called with what is to be written. */
  constructor(onAsked: (texts: readonly string[]) => void) {
    this.#onAsked = onAsked;
  }

  /** Opens it with so many messages in it. */
  begin(count: number): Stored[] {
    this.isOpen = true;
    return Array.from({ length: count }, (_, i) => {
      const data = restoredText(i);
      this.#rows.set(10 + i, data);
      return { row: 10 + i, data, expires: Infinity, key: undefined };
    });
  }

  get texts(): string[] {
    return [...this.#rows.values()];
  }

  write(messages: readonly Stored[], erased: readonly number[]): void {
    if (messages.length > 0) {
      this.#onAsked(messages.map(({ data }) => toText(data)));
    }
    const isRefused = this.state === "full" && messages.length > 0;
    if (isRefused || this.state === "broken") {
      this.hasFailed = true;
      throw new Error(`the disk is ${this.state}`);
    }
    for (const row of erased) this.#rows.delete(row);
    for (const { row, data } of messages) {
      this.#rows.set(row, toText(data));
      this.taken.add(toText(data));
    }
  }

  erase(rows: readonly number[]): void {
    this.write([], rows);
  }

  clear(): void {
    this.write([], [...this.#rows.keys()]);
  }

  shrink(): boolean {
    return false;
  }

  close(): void {}
}

function restoredText(index: number): string {
  return `${index % 6}R${index}`;
}

function watched(socket: FakeSocket, onLook: () => void) {
  return {
    sendWindow: socket.sendWindow,
    send: (data: string | Uint8Array) => socket.send(data),
    get bufferedAmount() {
      onLook();
      return socket.bufferedAmount;
    },
  };
}

async function microtasks(): Promise<void> {
  for (let i = 0; i < 8; i++) await Promise.resolve();
}

function total(items: readonly Item[]): number {
  return items.reduce((sum, { size }) => sum + size, 0);
}

function remove(items: Item[], item: Item): void {
  const index = items.indexOf(item);
  if (index >= 0) items.splice(index, 1);
}

function idOf(text: string): string {
  return text.slice(0, 1);
}
