/**
 * What may happen to messages on the way out, told as simply as possible, and
 * an `Outbound` beside it that has to keep to it.
 *
 * The model does not know when the pump moves. It follows what the socket gets
 * and what is reported, and says whether that was right.
 */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import type { FakeTime } from "@std/testing/time";
import type { DropReason } from "../../src/callbacks.ts";
import type { SendOverflow } from "../../src/config.ts";
import { WSError, type WSErrorCode } from "../../src/errors.ts";
import type { Message } from "../../src/message.ts";
import { Outbound } from "../../src/outbound/outbound.ts";
import { FakeSink, ManualWaits } from "./fake_sink.ts";

export interface Setup {
  readonly mode: "unflushed" | "none" | "acknowledged";
  readonly overflow: SendOverflow;
  readonly maxSize: number;
  readonly maxBytes: number;
  readonly window: number;
  /** How many of ten messages are sent without options. */
  readonly plain: number;
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
  }
  | { readonly do: "attach" | "pause" | "close" | "turn" | "flush" }
  | { readonly do: "cut"; readonly unseen: number; readonly open: boolean }
  | { readonly do: "drain"; readonly count: number }
  | { readonly do: "advance"; readonly ms: number }
  | { readonly do: "abort"; readonly signal: number }
  | { readonly do: "acknowledge"; readonly picks: readonly number[] }
  | { readonly do: "urgent"; readonly size: number };

export const SIGNALS = 3;

const PLAIN = { ttl: undefined, key: undefined, signal: undefined };

/** A message, as the model sees it. */
interface Item {
  readonly text: string;
  readonly size: number;
  readonly expires: number;
  readonly key: string | undefined;
  readonly signal: AbortSignal | undefined;
  /** Where it is among all that its link was given. */
  place: number;
  /** A socket has had it. */
  isHanded: boolean;
  /** It has no bytes, and was the next to leave the socket a turn ago. */
  wasLeaving: boolean;
  /** A link took it along, and nothing promises to send it again. */
  isLost: boolean;
  /** What its sender must see; undefined while it waits. */
  reason: WSErrorCode | "accepted" | undefined;
  /** What its sender sees. */
  seen: unknown;
}

interface Offer {
  readonly item: Item;
  /** Whether there was room. */
  fits: boolean | undefined;
  verdict: "accepted" | "dropped" | undefined;
}

interface Flush {
  /** What it waits for. */
  items: readonly Item[];
  result: unknown;
}

/** One client's way out, real and modelled. */
export class OutboundModel {
  readonly #setup: Setup;
  readonly #time: FakeTime;
  readonly #waits = new ManualWaits();
  readonly #out: Outbound;
  readonly #controllers = Array.from(
    { length: SIGNALS },
    () => new AbortController(),
  );
  #sink: FakeSink | undefined;
  #serial = 0;
  #dropped = 0;
  #queue: Item[] = [];
  #waiting: Item[] = [];
  /** On this link and not known to be settled. */
  #inFlight: Item[] = [];
  /** Handed over on any link and not acknowledged, the first one first. */
  #unacknowledged: Item[] = [];
  /** What the last link took along. */
  #lost: Item[] = [];
  /** Out of the queue, and about to reach the socket. */
  #taken: Item | undefined;
  #offer: Offer | undefined;
  /** Replaced, and about to be reported. */
  #replaced: Item[] = [];
  #isUrgent = false;
  #senders: Item[] = [];
  readonly #flushes: Flush[] = [];

  constructor(setup: Setup, time: FakeTime) {
    this.#setup = setup;
    this.#time = time;
    this.#out = new Outbound({
      sendQueueMaxSize: setup.maxSize,
      sendQueueMaxBytes: setup.maxBytes,
      overflow: setup.overflow,
      redeliver: setup.mode === "acknowledged"
        ? {
          id: (data) => idOf(toText(data)),
          acknowledged: (data) => toText(data).split(","),
          window: setup.window,
        }
        : setup.mode,
    }, {
      onDrop: (data, reason) => this.#onDrop(toText(data), reason),
      onError: (error) => {
        throw error;
      },
      mayWait: () => undefined,
      now: () => time.now,
      waits: this.#waits,
    });
  }

  /** Does one step, and compares. */
  async run(step: Step): Promise<void> {
    this.#do(step);
    await this.#compare();
  }

  /** Once a link works everything goes out. */
  async finish(): Promise<void> {
    this.#close();
    this.#attach();
    await this.#compare();
    for (let round = 0; this.#isBusy(); round++) {
      assert(round < 100, "everything goes out in the end");
      this.#sink?.drain();
      this.#turn();
      this.#acknowledge([0, 1, 2, 3, 4, 5, 6]);
      await this.#compare();
    }
    for (const { result } of this.#flushes) assert(result !== undefined);
  }

  /** Ends it; everybody who waits is told. */
  async end(): Promise<void> {
    if (this.#sink?.isOpen) this.#sampled(false);
    if (this.#sink !== undefined) this.#endLink(this.#setup.mode === "none");
    const error = new WSError("over", { code: "STOPPED", severity: "fatal" });
    const result = this.#out.end(error);
    const left = [...this.#queue, ...this.#lost];
    assertEquals(result, { unsent: left.length, unsentBytes: total(left) });
    for (const item of this.#waiting) item.reason = "STOPPED";
    await microtasks();
    this.#compareSenders();
    for (const { result } of this.#flushes) assert(result !== undefined);
    assertEquals(this.#out.trySend("late"), false);
    assertEquals(this.#waits.wanted, undefined);
  }

  #isBusy(): boolean {
    return this.#queue.length + this.#waiting.length + this.#inFlight.length >
      0;
  }

  #do(step: Step): void {
    switch (step.do) {
      case "send":
        return this.#send(step);
      case "attach":
        return this.#attach();
      case "pause":
        if (this.#sink?.isOpen) this.#sampled(false);
        return this.#out.pause();
      case "close":
        return this.#close();
      case "cut":
        return this.#cut(step.unseen, step.open);
      case "drain":
        return this.#sink?.drain(step.count);
      case "turn":
        return this.#turn();
      case "advance":
        return this.#advance(step.ms);
      case "abort":
        return this.#abort(step.signal);
      case "acknowledge":
        return this.#acknowledge(step.picks);
      case "urgent":
        this.#isUrgent = true;
        this.#out.sendUrgent("!".repeat(step.size));
        this.#isUrgent = false;
        return;
      case "flush":
        return this.#flush();
      default:
        step satisfies never;
    }
  }

  // What the steps do ---------------------------------------------------------

  #send(step: Step & { do: "send" }): void {
    const isPlain = step.turn < this.#setup.plain;
    const { how, binary, size } = step;
    const { ttl, key, signal: index = SIGNALS } = isPlain ? PLAIN : step;
    const signal = this.#controllers[index]?.signal;
    const serial = this.#serial++;
    const text = `${serial % 6}${serial}:`.padEnd(size, "x").slice(0, size);
    const item: Item = {
      text,
      size,
      expires: ttl === undefined ? Infinity : this.#time.now + ttl,
      key,
      signal,
      place: Infinity,
      isHanded: false,
      wasLeaving: false,
      isLost: false,
      reason: undefined,
      seen: undefined,
    };
    const data = binary ? new TextEncoder().encode(text) : text;
    const options = isPlain ? undefined : { ttl, key, signal };
    const offer: Offer = { item, fits: undefined, verdict: undefined };
    if (!signal?.aborted) this.#offer = offer;
    if (how === "trySend") {
      const isAccepted = this.#out.trySend(data, options);
      // From now on the program may do with its memory what it likes.
      if (typeof data !== "string") data.fill(0);
      this.#decide(offer);
      assertEquals(isAccepted, offer.verdict === "accepted");
    } else {
      this.#out.send(data, options).then(
        () => item.seen = "accepted",
        (error) => item.seen = error,
      );
      this.#decide(offer);
      if (offer.verdict === "dropped") item.reason = "accepted";
      else if (item.reason === undefined) this.#refuse(item);
      this.#senders.push(item);
    }
    this.#offer = undefined;
  }

  /** What must have become of what was offered. */
  #decide(offer: Offer): void {
    if (this.#offer === undefined || offer.verdict !== undefined) return;
    offer.fits ??= this.#hasRoom(offer.item);
    if (offer.fits && offer.item.size <= this.#setup.maxBytes) {
      this.#accept(offer);
    }
    const isTooLarge = offer.item.size > this.#setup.maxBytes;
    if (this.#setup.overflow.startsWith("drop") && !isTooLarge) {
      assert(offer.verdict !== undefined, "accepted or reported as dropped");
    }
  }

  /** Not accepted: it is an error, or it waits. */
  #refuse(item: Item): void {
    if (item.signal?.aborted) item.reason = "ABORTED";
    else if (item.size > this.#setup.maxBytes) item.reason = "TOO_LARGE";
    else if (this.#setup.overflow === "reject") item.reason = "QUEUE_FULL";
    else this.#waiting.push(item);
  }

  #attach(): void {
    if (this.#sink !== undefined) this.#cut(0, this.#sink.isOpen, true);
    const sink = new FakeSink((data) => this.#onSent(toText(data)));
    this.#sink = sink;
    this.#lost = [];
    this.#out.attach(sink);
  }

  #cut(unseen: number, isOpen: boolean, isImplied = false): void {
    const sink = this.#sink;
    if (sink === undefined) return;
    sink.drain(unseen);
    sink.isOpen &&= isOpen;
    if (sink.isOpen) this.#sampled(false);
    this.#endLink(this.#setup.mode === "none");
    if (!isImplied) this.#out.detach();
  }

  #close(): void {
    const sink = this.#sink;
    if (sink === undefined) return;
    if (sink.isOpen) this.#sampled(false);
    this.#out.pause();
    sink.isOpen = false;
    sink.drain();
    if (this.#setup.mode !== "acknowledged") this.#inFlight = [];
    this.#endLink(false);
    this.#out.detach(true);
  }

  #endLink(isLost: boolean): void {
    const back = this.#inFlight;
    for (const item of back) item.place = Infinity, item.wasLeaving = false;
    if (isLost) {
      for (const item of back) item.isLost = true;
      this.#lost = back;
    } else {
      this.#queue.unshift(...back);
    }
    this.#inFlight = [];
    this.#sink = undefined;
  }

  #turn(): void {
    this.#sink?.drainEmpty();
    const looks = this.#waits.wanted !== undefined;
    if (looks && this.#sink?.isOpen) this.#sampled(true);
    this.#waits.pass();
  }

  #advance(ms: number): void {
    // What came back with its time over is due at once.
    this.#time.tick(0);
    this.#admit();
    for (let i = 0; i < ms; i++) {
      const now = this.#time.now + 1;
      this.#leaveWaiting(({ expires }) => expires <= now, "EXPIRED");
      this.#time.tick(1);
      this.#admit();
    }
  }

  #abort(index: number): void {
    const controller = this.#controllers[index];
    if (controller === undefined || controller.signal.aborted) return;
    this.#leaveWaiting(({ signal }) => signal === controller.signal, "ABORTED");
    controller.abort();
    this.#admit();
  }

  #acknowledge(picks: readonly number[]): void {
    if (this.#setup.mode !== "acknowledged") return;
    const ids = picks.map((pick) =>
      ["0", "1", "2", "3", "4", "5", ""][pick] ?? "?"
    );
    for (const id of ids.length === 0 ? [""] : ids) {
      const item = this.#unacknowledged.find(({ text }) => idOf(text) === id);
      if (item === undefined) continue;
      this.#unacknowledged = without(this.#unacknowledged, item);
      this.#inFlight = without(this.#inFlight, item);
      this.#queue = without(this.#queue, item);
    }
    this.#out.acknowledge(ids.join(","));
    this.#admit();
  }

  #flush(): void {
    const items = [...this.#queue, ...this.#inFlight];
    const flush: Flush = { items, result: undefined };
    this.#flushes.push(flush);
    this.#out.flush().then(
      (value) => flush.result = value,
      (error) => flush.result = error,
    );
  }

  // What is seen of the real one ------------------------------------------------

  #onSent(text: string): void {
    const place = (this.#sink?.sent.length ?? 0) - 1;
    if (this.#isUrgent) return;
    if (this.#taken === undefined) this.#take();
    const item = this.#taken;
    assertEquals(text, item?.text, "the next message, and no other");
    if (item !== undefined) item.place = place;
    this.#taken = undefined;
    const { mode, window } = this.#setup;
    if (mode === "acknowledged") assert(this.#inFlight.length <= window);
    const unflushed = this.#sink?.bytesLeft ?? 0;
    assert(unflushed - text.length < 256 * 1024 + 100, "within the window");
  }

  #onDrop(text: string, reason: DropReason): void {
    this.#dropped++;
    switch (reason) {
      case "expired": {
        const now = this.#time.now;
        this.#remove((item) => item.text === text && item.expires <= now);
        break;
      }
      case "aborted":
        this.#remove((item) => item.text === text && !!item.signal?.aborted);
        break;
      case "replaced":
        this.#admit();
        if (this.#replaced.length === 0) {
          if (this.#offer?.verdict === undefined && this.#offer !== undefined) {
            this.#accept(this.#offer);
          } else {
            this.#take();
          }
        }
        assertEquals(this.#replaced.shift()?.text, text, "replaced");
        break;
      case "overflow":
        this.#onOverflow(text);
        break;
      case "spool":
        throw new Error("there is no spool");
      default:
        reason satisfies never;
    }
    this.#admit();
  }

  #onOverflow(text: string): void {
    const offer = this.#offer;
    assert(offer !== undefined && !this.#hasRoom(offer.item), "it is full");
    const { overflow } = this.#setup;
    const oldest = this.#queue.find(({ isHanded }) => !isHanded);
    if (overflow === "drop-oldest" && this.#fitsWithoutFresh(offer.item)) {
      assertEquals(text, oldest?.text, "the oldest");
      this.#remove((item) => item === oldest);
    } else {
      assert(overflow.startsWith("drop"));
      assertEquals(text, offer.item.text, "the newest");
      offer.verdict = "dropped";
    }
  }

  // The model itself --------------------------------------------------------------

  #take(): void {
    if (this.#offer !== undefined) {
      this.#offer.fits ??= this.#hasRoom(this.#offer.item);
    }
    this.#admit();
    if (this.#queue.length === 0 && this.#offer?.verdict === undefined) {
      if (this.#offer !== undefined) this.#accept(this.#offer);
    }
    const item = this.#queue.shift();
    assert(item !== undefined, "there is something to send");
    assert(item.expires > this.#time.now, "it has not expired");
    this.#taken = item;
    this.#inFlight.push(item);
    if (!item.isHanded) this.#unacknowledged.push(item);
    item.isHanded = true;
    this.#admit();
  }

  #accept(offer: Offer): void {
    offer.fits ??= this.#hasRoom(offer.item);
    assert(offer.fits, "there is room");
    offer.verdict = "accepted";
    this.#enqueue(offer.item);
  }

  #admit(): void {
    let item = this.#waiting[0];
    while (item !== undefined && this.#fits(item)) {
      this.#waiting.shift();
      this.#enqueue(item);
      item = this.#waiting[0];
    }
  }

  #enqueue(item: Item): void {
    item.reason = "accepted";
    const old = this.#withKey(item.key);
    if (old === undefined) {
      this.#queue.push(item);
    } else {
      this.#queue[this.#queue.indexOf(old)] = item;
      this.#replaced.push(old);
      // It waits for the place in the order, whoever has it.
      for (const flush of this.#flushes) {
        flush.items = flush.items.map((other) => other === old ? item : other);
      }
    }
  }

  #withKey(key: string | undefined): Item | undefined {
    return this.#queue.find((item) =>
      key !== undefined && item.key === key && !item.isHanded
    );
  }

  #hasRoom(item: Item): boolean {
    const overtakes = this.#withKey(item.key) !== undefined &&
      !this.#waiting.some(({ key }) => key === item.key);
    return (this.#waiting.length === 0 || overtakes) && this.#fits(item);
  }

  #fits(item: Item): boolean {
    const old = this.#withKey(item.key);
    const held = this.#setup.mode === "acknowledged" ? this.#inFlight : [];
    const all = [...this.#queue, ...held];
    const { maxSize, maxBytes } = this.#setup;
    if (old === undefined) {
      return all.length < maxSize && total(all) + item.size <= maxBytes;
    }
    return item.size <= old.size ||
      total(all) - old.size + item.size <= maxBytes;
  }

  #fitsWithoutFresh(item: Item): boolean {
    const queue = this.#queue;
    this.#queue = queue.filter(({ isHanded }) => isHanded);
    const fits = this.#fits(item);
    this.#queue = queue;
    return fits;
  }

  #remove(is: (item: Item) => boolean): void {
    const item = this.#queue.find(is);
    assert(item !== undefined, "a drop for a true reason");
    this.#queue = without(this.#queue, item);
    this.#unacknowledged = without(this.#unacknowledged, item);
  }

  #leaveWaiting(is: (item: Item) => boolean, code: WSErrorCode): void {
    for (const item of this.#waiting.filter(is)) item.reason = code;
    this.#waiting = this.#waiting.filter((item) => !is(item));
  }

  /** The pump looks at the socket. `turned`: it had a turn since the last look. */
  #sampled(turned: boolean): void {
    const sink = this.#sink;
    if (sink === undefined || this.#setup.mode === "acknowledged") return;
    const isFlushed = ({ place }: Item) => place < sink.flushed;
    const last = this.#inFlight.findLastIndex((item) =>
      item.size > 0 && isFlushed(item)
    );
    const urgent = sink.sent.findLastIndex((data, place) =>
      place < sink.flushed && data.length > 0
    );
    this.#inFlight = this.#inFlight.filter(({ place }, index) =>
      index > last && place > urgent
    );
    if (!turned) return;
    const isLeaving = ({ size, place }: Item) =>
      size === 0 &&
      sink.sent.slice(sink.flushed, place).every(({ length }) => length === 0);
    while (this.#inFlight[0]?.wasLeaving) {
      const item = this.#inFlight.shift();
      assert(item !== undefined && isFlushed(item), "it is on the network");
    }
    for (const item of this.#inFlight) {
      if (!isLeaving(item)) break;
      item.wasLeaving = true;
    }
  }

  // Comparing -----------------------------------------------------------------------

  async #compare(): Promise<void> {
    await microtasks();
    assertEquals(this.#taken, undefined);
    assertEquals(this.#replaced, []);
    assertEquals(this.#out.queued, this.#queue.length);
    assertEquals(this.#out.queuedBytes, total(this.#queue));
    assertEquals(this.#out.dropped, this.#dropped);
    const held = this.#setup.mode === "acknowledged" ? this.#inFlight : [];
    assertEquals(this.#out.unacknowledged, held.length);
    assert(!this.#queue.some(({ signal }) => signal?.aborted));
    this.#compareSenders();
    for (const { items, result } of this.#flushes) {
      if (result === undefined) continue;
      assertEquals(result, !items.some(({ isLost }) => isLost), "flushed");
      for (const item of items) {
        assert(!this.#queue.includes(item) && !this.#inFlight.includes(item));
      }
    }
  }

  #compareSenders(): void {
    this.#senders = this.#senders.filter(({ reason, seen }) => {
      if (reason === undefined || reason === "accepted") {
        assertEquals(seen, reason);
      } else {
        assertInstanceOf(seen, WSError);
        assertEquals(seen.code, reason);
      }
      return reason === undefined;
    });
  }
}

async function microtasks(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

function total(items: readonly Item[]): number {
  return items.reduce((sum, { size }) => sum + size, 0);
}

function without(items: readonly Item[], item: Item): Item[] {
  return items.filter((other) => other !== item);
}

function idOf(text: string): string {
  return text.slice(0, 1);
}

function toText(data: Message): string {
  return typeof data === "string" ? data : new TextDecoder().decode(data);
}
