/**
 * Plays one random script and checks what must hold whatever the server, the
 * network and the program do.
 *
 * @module
 */

import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import {
  type ClientState,
  type DropReason,
  type Message,
  type Session,
  type StopResult,
  type TransportName,
  WebSocketStreamClient,
  type WSCallbacks,
  type WSConfig,
  WSError,
} from "../../mod.ts";
import type { Peer } from "../../src/server/peer.ts";
import type { Refusal } from "../../src/server/handshake.ts";
import { within } from "../support/events.ts";
import {
  callbackPlan,
  Dice,
  hookPlan,
  type Script,
  scriptOf,
  type ServerPlan,
  serverPlan,
  type Step,
} from "./script.ts";

/** How long anything may take that must come, ms. A busy machine is slow. */
const PATIENCE = Number(Deno.env.get("FUZZ_PATIENCE") ?? 60_000);

/** The states that may follow each other. */
const NEXT: Record<ClientState, readonly ClientState[]> = {
  idle: ["connecting", "closing"],
  connecting: ["open", "waiting", "closing", "closed"],
  open: ["connecting", "waiting", "closing", "closed"],
  waiting: ["connecting", "closing", "closed"],
  closing: ["closed"],
  closed: [],
};

/** A message that the program sent. */
interface Tracked {
  readonly key: string | undefined;
  /** Whether another one was sent while the call of this one was running. */
  overtaken: boolean;
  accepted: boolean | undefined;
  received: number;
  dropped: DropReason[];
}

/** A connection at the server. */
interface ServerEnd {
  readonly peer: Peer;
  /** The messages that came in, in order. */
  readonly received: string[];
  /** Whether the server treats it well: a client that leaves it must say so. */
  healthy: boolean;
  /** Whether the server ended it, or did worse: messages may be lost. */
  faulted: boolean;
}

/** What happened, in order; `C`onnect, `D`isconnect, `O`pen and so on. */
type Event =
  | "connect"
  | "disconnect"
  | "open"
  | "error"
  | "retry"
  | "gap"
  | "closed";

export class Run {
  readonly number: number;
  /** All that happened, for whoever must find out why it failed. */
  readonly log: string[] = [];
  readonly #script: Script;
  readonly #seed: number;
  readonly #client: WebSocketStreamClient;
  readonly #abort = new AbortController();
  readonly #messageAbort = new AbortController();
  readonly #callbacks: Dice;
  readonly #hooks: Dice;
  readonly #began = performance.now();

  readonly #promises: [what: string, promise: Promise<unknown>][] = [];
  readonly #sent = new Map<string, Tracked>();
  /** Those whose call has not returned yet. */
  readonly #sending = new Set<Tracked>();
  readonly #inbound = new Map<string, number[]>();
  readonly #events: Event[] = [];
  readonly #states: ClientState[] = ["idle"];
  readonly #faults: string[] = [];

  readonly #ends: ServerEnd[] = [];
  /** The server accepts and stays, hooks pass, callbacks return. */
  #isWell = false;
  /** Lets hanging handshakes and hooks go on. */
  readonly #hanging = Promise.withResolvers<void>();
  /** Of the server. */
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #handshakes = 0;
  #nextId = 0;
  #isClosed = false;

  constructor(
    url: string,
    seed: number,
    number: number,
    transport: TransportName,
  ) {
    this.number = number;
    this.#seed = seed;
    this.#script = scriptOf(seed, number, transport);
    this.#callbacks = new Dice(seed, number, 1);
    this.#hooks = new Dice(seed, number, 2);
    this.#note(Deno.inspect(this.#script, { breakLength: Infinity }));
    this.#client = new WebSocketStreamClient({
      ...this.#script.config,
      ...(this.#script.hasBadFunctions ? this.#badFunctions() : {}),
      url: this.#script.hasBadFunctions
        ? () => this.#throwSometimes("url", `${url}/${number}`)
        : `${url}/${number}`,
      signal: this.#abort.signal,
    }, this.#makeCallbacks());
  }

  #badFunctions(): Omit<WSConfig, "url"> {
    return {
      headers: async () => {
        await setImmediate();
        return this.#throwSometimes("headers", { "x-fuzz": "1" });
      },
      classify: () => this.#throwSometimes("classify", undefined),
      fatalCloseCodes: (code) =>
        this.#throwSometimes("fatalCloseCodes", code === 4001),
      decode: (data) =>
        String(data).startsWith("say")
          ? this.#throwSometimes("decode", data)
          : data,
    };
  }

  #throwSometimes<T>(where: string, value: T): T {
    if (this.#isWell || this.#callbacks.below(8) > 0) return value;
    this.#note(`${where}: throws`);
    throw new Error("thrown on purpose");
  }

  // The server -----------------------------------------------------------------

  async accept(): Promise<Refusal | undefined> {
    const plan = this.#planOf(this.#handshakes);
    if (plan.do === "hang") {
      this.#handshakes++;
      this.#note("server: hangs");
      await this.#hanging.promise;
      return { status: 503 };
    }
    if (plan.do !== "refuse") return undefined;
    this.#handshakes++;
    this.#note(`server: refuses with ${plan.status}`);
    const headers = plan.hint === undefined
      ? undefined
      : { "retry-after": plan.hint };
    return { status: plan.status, headers };
  }

  #planOf(handshake: number): ServerPlan {
    if (this.#isWell) return { do: "stay", after: 0, says: 1, code: 1000 };
    return serverPlan(new Dice(this.#seed, this.number, 3, handshake));
  }

  onPeer(peer: Peer): void {
    const plan = this.#planOf(this.#handshakes++);
    if (plan.do === "refuse" || plan.do === "hang") {
      return void peer.close(1013);
    }
    const end: ServerEnd = {
      peer,
      received: [],
      healthy: true,
      faulted: false,
    };
    this.#ends.push(end);
    const index = this.#ends.length - 1;
    this.#note(`server: connection ${index} will ${plan.do} in ${plan.after}`);
    peer.closed.then(({ code }) => {
      end.healthy = false;
      // A client that is past its `closeTimeout` ends TCP at once.
      if (code === 1006) end.faulted = true;
      this.#note(`server: connection ${index} ended with ${code}`);
    });
    peer.onmessage = (data) => this.#receive(end, data, plan.do === "silent");
    for (let i = 0; i < plan.says; i++) peer.send(`say ${index} ${i}`);
    if (plan.do === "stay" || plan.do === "silent") return;
    const act = () => {
      if (peer.state !== "open" || this.#isClosed || this.#isWell) return;
      end.healthy = false;
      end.faulted = true;
      this.#note(`server: connection ${index}: ${plan.do}`);
      if (plan.do === "close") peer.close(plan.code);
      else if (plan.do === "drop") peer.drop();
      else if (plan.do === "reset") peer.flush().then(() => peer.reset());
      else if (plan.do === "blackhole") {
        peer.flush().then(() => peer.blackhole());
      } else {
        peer.stopReading();
        this.#after(40, () => {
          peer.resumeReading();
          end.healthy = peer.state === "open";
        });
      }
    };
    if (plan.after === 0) act();
    else this.#after(plan.after, act);
  }

  #after(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, ms);
    this.#timers.add(timer);
  }

  #receive(end: ServerEnd, data: Message, silent: boolean): void {
    const { peer, received } = end;
    if (data === "ping") {
      if (!silent) peer.send("pong").catch(() => {});
      return;
    }
    if (data === "hook") return;
    const id = String(data);
    const tracked = this.#sent.get(id);
    if (tracked === undefined) return void this.#fault(`${id} was never sent`);
    this.#note(`server: got ${id} (connection ${this.#ends.indexOf(end)})`);
    tracked.received++;
    received.push(id);
    peer.send(`ack ${id}`).catch(() => {});
  }

  // The program ----------------------------------------------------------------

  /** Plays the script. @returns what was wrong, one line each */
  async play(): Promise<readonly string[]> {
    try {
      await this.#play();
    } catch (error) {
      this.#fault(`the script failed: ${error}`);
    } finally {
      this.#hanging.resolve();
      this.#timers.forEach(clearTimeout);
      for (const { peer } of this.#ends) peer.reset();
    }
    return this.#faults;
  }

  async #play(): Promise<void> {
    const client = this.#client;
    this.#promise("start", client.start());
    for (const step of this.#script.steps) await this.#take(step);
    const result = await this.#end();
    const closed = await within(client.closed, "closed", PATIENCE);
    this.#note(`closed: ${closed?.code}; unsent ${result.unsent}`);
    this.#endStreams();
    await this.#settle();
    // What the client has written may arrive after it has ended.
    await this.#leave();
    await sleep(5);
    this.#check(result);
  }

  async #take(step: Step): Promise<void> {
    const client = this.#client;
    switch (step) {
      case "send":
        return this.#send();
      case "trySend":
        return this.#trySend();
      case "burst":
        for (let i = 0; i < 10; i++) this.#send();
        return;
      case "flush":
        return this.#promise("flush", client.flush());
      case "read":
        return this.#read();
      case "stream":
        return this.#promise("readable", this.#readStream());
      case "write":
        return this.#promise("writable", this.#write());
      case "reconnect":
        this.#note("reconnect()");
        return client.reconnect();
      case "rotate":
        this.#note("reconnect({ graceful: true })");
        return client.reconnect({ graceful: true });
      case "clear":
        return void client.clearQueue();
      case "abort a message":
        return this.#messageAbort.abort();
      case "turn":
        return void await setImmediate();
      case "wait":
        return void await sleep(3);
      case "wait long":
        return void await sleep(25);
      default:
        step satisfies never;
    }
  }

  /** Ends the client as the script says. */
  async #end(): Promise<StopResult> {
    const client = this.#client;
    this.#note(this.#script.ending);
    switch (this.#script.ending) {
      case "abort":
        this.#abort.abort();
        break;
      case "drain":
        client.stop({ drain: 30 });
        break;
      case "stop twice":
        this.#promise("stop", client.stop({ drain: 10, code: 3001 }));
        break;
      case "stop":
        client.stop({ drain: 0 });
        break;
      case "recover":
        await this.#recover();
        break;
      default:
        this.#script.ending satisfies never;
    }
    return await within(client.stop(), "stop()", PATIENCE);
  }

  /** From now on nothing fails: the client gets everything through, or has ended. */
  async #recover(): Promise<void> {
    const client = this.#client;
    this.#isWell = true;
    this.#hanging.resolve();
    for (const { peer } of this.#ends) peer.drop();
    const flushed = this.#flushAll();
    const hasEnded = await within(
      Promise.race([client.closed.then(() => true), flushed]),
      "recovery",
      PATIENCE,
    );
    if (hasEnded) return;
    await this.#waitForOneConnection();
  }

  /** What the client has left is soon closed, however it was left. */
  async #waitForOneConnection(): Promise<void> {
    const most = this.#script.rotates ? 2 : 1;
    const isOpen = ({ peer }: ServerEnd) => peer.state === "open";
    const limit = performance.now() + PATIENCE;
    for (;;) {
      const count = this.#ends.filter(isOpen).length;
      if (count <= most) return;
      if (performance.now() > limit) {
        return this.#fault(`${count} connections at the server`);
      }
      await sleep(5);
    }
  }

  /**
   * Until the client is open and has nothing left: waiting senders are admitted
   * as the queue empties, so one flush is not enough.
   */
  async #flushAll(): Promise<boolean> {
    const client = this.#client;
    try {
      do {
        // A reader that stalls may hold up the connection.
        this.#readOut();
        await client.flush();
        await sleep(1);
      } while (
        // The client may not have noticed yet that its connection was dropped.
        !this.#ends.some(({ peer }) => peer.state === "open") ||
        client.state !== "open" ||
        client.stats.queued + client.stats.unacknowledged > 0
      );
      return false;
    } catch {
      return true;
    }
  }

  #newMessage(key?: string): [id: string, tracked: Tracked] {
    const id = `message ${this.#nextId++}`;
    for (const caller of this.#sending) caller.overtaken = true;
    const tracked: Tracked = {
      key,
      overtaken: false,
      accepted: undefined,
      received: 0,
      dropped: [],
    };
    this.#sent.set(id, tracked);
    return [id, tracked];
  }

  #send(): void {
    const kind = this.#callbacks.below(10);
    const key = kind === 0 ? "key" : undefined;
    const [id, tracked] = this.#newMessage(key);
    const options = {
      ...(key === undefined ? {} : { key }),
      ...(kind === 1 ? { ttl: 5 } : {}),
      ...(kind === 2 ? { signal: this.#messageAbort.signal } : {}),
    };
    this.#sending.add(tracked);
    const sending = this.#client.send(id, options).then(() => {
      tracked.accepted = true;
      this.#note(`accepted ${id}`);
    }, (error) => {
      tracked.accepted = false;
      if (!(error instanceof WSError)) this.#fault(`send: ${error}`);
    });
    this.#sending.delete(tracked);
    this.#promise(id, sending);
    this.#note(`send ${id} ${Object.keys(options)}`);
  }

  #trySend(): void {
    const [id, tracked] = this.#newMessage();
    this.#sending.add(tracked);
    tracked.accepted = this.#client.trySend(id);
    this.#sending.delete(tracked);
    this.#note(`trySend ${id}: ${tracked.accepted}`);
  }

  #read(): void {
    const reader = this.#client.messages();
    const count = 1 + this.#callbacks.below(3);
    this.#promise(
      "a reader",
      (async () => {
        for (let i = 0; i < count; i++) await reader.next();
        await reader.return?.();
      })(),
    );
  }

  async #readStream(): Promise<void> {
    const { readable } = this.#client;
    if (readable.locked) return;
    const reader = readable.getReader();
    try {
      await reader.read();
    } finally {
      reader.releaseLock();
      if (this.#isWell) this.#readOut();
    }
  }

  async #write(): Promise<void> {
    const { writable } = this.#client;
    if (writable.locked) return;
    const writer = writable.getWriter();
    const [id, tracked] = this.#newMessage();
    this.#sending.add(tracked);
    try {
      await writer.write(id);
      tracked.accepted = true;
    } catch {
      tracked.accepted = false;
    } finally {
      this.#sending.delete(tracked);
      writer.releaseLock();
    }
  }

  /** After the end both streams and new readers end, too. */
  #endStreams(): void {
    const { writable } = this.#client;
    if (!writable.locked) {
      this.#promise("writer.closed", writable.getWriter().closed);
    }
    this.#readOut();
    this.#promise("a late reader", Array.fromAsync(this.#client.messages()));
  }

  /** Reads all that comes to the readable stream, unless somebody does. */
  #readOut(): void {
    const { readable } = this.#client;
    if (readable.locked) return;
    this.#promise("all of readable", Array.fromAsync(readable));
  }

  // The callbacks --------------------------------------------------------------

  #makeCallbacks(): WSCallbacks {
    return {
      onConnect: (session) => {
        this.#event("connect");
        return this.#hook(session);
      },
      onMessage: (data) => {
        const [, end = "", index] = /^say (\d+) (\d+)$/.exec(String(data)) ??
          [];
        if (index !== undefined) {
          const indices = this.#inbound.get(end) ?? [];
          indices.push(Number(index));
          this.#inbound.set(end, indices);
        }
        if (this.#isClosed) this.#fault(`onMessage(${data}) after the end`);
        return this.#misbehave("onMessage");
      },
      onDisconnect: ({ code, willRetry }) => {
        this.#event("disconnect", `${code} ${willRetry ? "will retry" : ""}`);
        return this.#misbehave("onDisconnect");
      },
      onError: (error) => {
        if (error.code === "CALLBACK") return;
        this.#event("error", `${error.code} ${error.message}`);
        return this.#misbehave("onError");
      },
      onRetry: ({ delay }) => {
        this.#event("retry", String(delay));
        return this.#misbehave("onRetry");
      },
      onDrop: (data, reason) => {
        this.#note(`onDrop ${data} ${reason}`);
        const tracked = this.#sent.get(String(data));
        if (tracked === undefined) this.#fault(`${data} dropped, never sent`);
        else tracked.dropped.push(reason);
        return this.#misbehave("onDrop");
      },
      onGap: ({ attempts }) => {
        this.#event("gap", String(attempts));
        return this.#misbehave("onGap");
      },
      onStateChange: (state, previous) => {
        if (previous !== this.#states.at(-1)) {
          this.#fault(`${previous} is not the last state`);
        }
        this.#states.push(state);
        if (state === "open" || state === "closed") this.#event(state);
        else this.#note(state);
        if (state === "closed") this.#isClosed = true;
        return this.#misbehave("onStateChange");
      },
    };
  }

  #misbehave(where: string): unknown {
    if (this.#script.isCalm || this.#isWell) return;
    const plan = callbackPlan(this.#callbacks);
    if (plan !== "nothing") this.#note(`${where}: ${plan}`);
    switch (plan) {
      case "nothing":
        return;
      case "throw":
        throw new Error("thrown on purpose");
      case "reject":
        return Promise.reject(new Error("rejected on purpose"));
      case "send":
        return this.#send();
      case "read":
        return this.#read();
      case "reconnect":
        return this.#client.reconnect();
      case "clear":
        return void this.#client.clearQueue();
      case "stop":
        return this.#promise("stop in a callback", this.#client.stop());
      default:
        plan satisfies never;
    }
  }

  #hook(session: Session): unknown {
    const plan = this.#isWell ? "nothing" : hookPlan(this.#hooks);
    this.#note(`hook: ${plan} ${session.url}`);
    switch (plan) {
      case "nothing":
        return;
      case "async":
        return sleep(this.#hooks.pick(0, 2, 10, 40));
      case "session.send":
        return session.send("hook");
      case "client.send":
        return this.#send();
      case "receive": {
        const received = session.receive();
        this.#promise("session.receive()", received);
        return received;
      }
      case "flush": {
        const flushed = this.#client.flush();
        this.#promise("flush in the hook", flushed);
        return flushed.catch(() => {});
      }
      case "heartbeat":
        return session.setHeartbeat({ pingInterval: 20, pingTimeout: 40 });
      case "send and throw":
        this.#send();
        throw new Error("thrown on purpose");
      case "throw":
        throw new Error("thrown on purpose");
      case "reject":
        return Promise.reject(new Error("rejected on purpose"));
      case "fatal":
        throw new WSError("no", { code: "CALLBACK", severity: "fatal" });
      case "hang":
        return this.#hanging.promise;
      default:
        plan satisfies never;
    }
  }

  // The checks -----------------------------------------------------------------

  /** Everything that was promised comes. */
  async #settle(): Promise<void> {
    const pending = new Set(this.#promises.map(([what]) => what));
    const all = this.#promises.map(([what, promise]) =>
      promise.catch(() => {}).then(() => pending.delete(what))
    );
    try {
      await within(Promise.all(all), "settling", PATIENCE);
    } catch {
      this.#fault(`never settled: ${[...pending].join(", ")}`);
    }
  }

  /** No healthy connection is left behind. */
  async #leave(): Promise<void> {
    for (const [index, { peer, healthy }] of this.#ends.entries()) {
      if (!healthy) continue;
      try {
        await within(peer.closed, `connection ${index}`, PATIENCE);
      } catch {
        this.#fault(`connection ${index} is still there`);
      }
    }
  }

  #check(result: StopResult): void {
    this.#checkStates();
    this.#checkEvents();
    this.#checkMessages(result);
    // A message whose `decode` throws is not delivered.
    if (this.#script.hasBadFunctions) return;
    for (const [end, indices] of this.#inbound) {
      const [first = 0] = indices;
      if (first > 1) this.#fault(`connection ${end} starts with ${first}`);
      if (!indices.every((index, i) => index === first + i)) {
        this.#fault(`connection ${end} delivered ${indices}`);
      }
    }
  }

  #checkStates(): void {
    this.#states.reduce((from, to) => {
      if (!NEXT[from].includes(to)) this.#fault(`from ${from} to ${to}`);
      return to;
    });
    if (this.#states.at(-1) !== "closed") this.#fault("it does not say closed");
    if (this.#client.state !== "closed") this.#fault(this.#client.state);
  }

  #checkEvents(): void {
    let connected = 0;
    let wasOpen = false;
    let isGapOwed = false;
    const most = this.#script.rotates ? 2 : 1;
    for (const event of this.#events) {
      switch (event) {
        case "connect":
          if (++connected > most) this.#fault(`${connected} at the same time`);
          if (isGapOwed && connected === 1) this.#fault("connect without gap");
          break;
        case "disconnect":
          if (--connected < 0) this.#fault("disconnect without connect");
          if (connected === 0 && wasOpen) isGapOwed = true;
          break;
        case "gap":
          isGapOwed = false;
          break;
        case "open":
          wasOpen = true;
          break;
        case "closed":
        case "error":
        case "retry":
          break;
        default:
          event satisfies never;
      }
    }
    if (connected !== 0) this.#fault(`${connected} connects not paired`);
    const closed = this.#events.indexOf("closed");
    const late = this.#events.slice(closed + 1);
    if (late.length > 0) this.#fault(`after closed: ${late}`);
  }

  #checkMessages({ unsent }: StopResult): void {
    const { redeliver, overflow } = this.#script.config;
    const { lost } = this.#client.stats;
    let missing = 0;
    let ended = 0;
    for (const [id, tracked] of this.#sent) {
      const { accepted, received, dropped } = tracked;
      if (accepted === undefined) {
        this.#fault(`${id} was neither taken nor not`);
      }
      if (accepted === false && received > 0) {
        this.#fault(`${id} was refused and arrived`);
      }
      if (
        accepted === false && dropped.length > 0 &&
        !overflow?.startsWith("drop")
      ) this.#fault(`${id} was refused and dropped as ${dropped}`);
      if (dropped.length > 1) this.#fault(`${id} dropped twice: ${dropped}`);
      if (redeliver === "none") {
        if (received > 1) this.#fault(`${id} arrived ${received} times`);
        // After 1009 nobody knows which message was meant.
        if (received > 0 && dropped.some((reason) => reason !== "too-large")) {
          this.#fault(`${id} arrived, though dropped as ${dropped}`);
        }
      }
      if (accepted === true && received === 0 && dropped.length === 0) {
        missing++;
      }
      if (dropped.includes("ended")) ended++;
    }
    const isLossless = typeof redeliver === "object" ||
      this.#ends.every(({ faulted }) => !faulted);
    const lossy = redeliver === "none" ? lost : 0;
    if (isLossless && missing > lossy) {
      this.#fault(`${missing} are missing, ${lost} were lost`);
    }
    // In mode "none" the last connection may have taken some along.
    if (unsent < ended || unsent > ended + lossy) {
      this.#fault(`${ended} dropped at the end, ${unsent} were unsent`);
    }
    this.#checkOrder();
  }

  /** On each connection messages arrive in the order of the calls. */
  #checkOrder(): void {
    for (const { received } of this.#ends) {
      const order = received
        .filter((id) => {
          const tracked = this.#sent.get(id);
          // A newer message takes the place of one with the same key.
          return tracked?.key === undefined && !tracked?.overtaken;
        })
        .map((id) => Number(id.slice(8)));
      for (const [i, number] of order.entries()) {
        if (number <= (order[i - 1] ?? -1)) {
          this.#fault(`message ${number} after ${order[i - 1]}`);
        }
      }
    }
  }

  #promise(what: string, promise: Promise<unknown>): void {
    promise.catch(() => {});
    this.#promises.push([what, promise]);
  }

  #event(event: Event, text = ""): void {
    this.#events.push(event);
    this.#note(`${event} ${text}`);
  }

  #note(text: string): void {
    const time = Math.round(performance.now() - this.#began);
    this.log.push(`${String(time).padStart(6)} ${text}`);
  }

  #fault(text: string): void {
    this.#faults.push(text);
    this.#note(`FAULT: ${text}`);
  }
}
