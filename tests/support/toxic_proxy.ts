import { closeQuietly, writeAll } from "../../src/server/listener.ts";

/** Seen from the client: what it sends, and what it gets. */
export type Flow = "to-server" | "to-client";

/** What is wrong with one connection from the start. */
export interface Toxics {
  /** Cut both sides (FIN) after this many bytes of the flow. */
  readonly cutAfter?: Partial<Record<Flow, number>>;
  /** Pass bytes on only so much later, ms. */
  readonly delay?: Partial<Record<Flow, number>>;
}

/**
 * A TCP proxy that spoils what goes through it; below TLS, below WebSocket.
 *
 * @example Cut each connection after 1000 bytes to the client; later stall all
 * ```ts
 * import { ToxicProxy } from "./toxic_proxy.ts";
 *
 * await using proxy = new ToxicProxy(8080, { cutAfter: { "to-client": 1000 } });
 * new WebSocket(`ws://127.0.0.1:${proxy.port}`);
 * proxy.stall();
 * ```
 */
export class ToxicProxy implements AsyncDisposable {
  readonly port: number;
  readonly #listener: Deno.TcpListener;
  readonly #target: number;
  readonly #toxics: (connection: number) => Toxics;
  readonly #accepting: Promise<void>;
  readonly #tunnels = new Map<Tunnel, Promise<void>>();
  readonly #gates = { "to-server": new Gate(), "to-client": new Gate() };
  #ending: Promise<void> | undefined;
  #connections = 0;

  /** `target` is a port of 127.0.0.1; connections count from 0. */
  constructor(
    target: number,
    toxics: Toxics | ((connection: number) => Toxics) = {},
  ) {
    this.#target = target;
    this.#toxics = typeof toxics === "function" ? toxics : () => toxics;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#accepting = this.#acceptAll();
  }

  /** How many connections were accepted so far. */
  get connections(): number {
    return this.#connections;
  }

  /**
   * Passes nothing on any more, not even a FIN, and reads nothing: the bytes
   * pile up at the sender. Both flows stalled are a half-open connection.
   * Holds for new connections too.
   */
  stall(...flows: Flow[]): void {
    for (const gate of this.#gatesOf(flows)) gate.shut();
  }

  /** Ends `stall`; nothing was lost. */
  resume(...flows: Flow[]): void {
    for (const gate of this.#gatesOf(flows)) gate.open();
  }

  /** Cuts all connections that there are now, on both sides (FIN). */
  cutAll(): void {
    for (const tunnel of this.#tunnels.keys()) tunnel.cut();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    const ending = [...this.#tunnels.values()];
    this.cutAll();
    this.resume();
    await Promise.all(ending);
  }

  #gatesOf(flows: Flow[]): Gate[] {
    const all: Flow[] = ["to-server", "to-client"];
    return (flows.length > 0 ? flows : all).map((flow) => this.#gates[flow]);
  }

  async #acceptAll(): Promise<void> {
    for await (const client of this.#listener) {
      const tunnel = new Tunnel(client, this.#toxics(this.#connections++));
      const done = tunnel.run(this.#target, this.#gates);
      this.#tunnels.set(tunnel, done);
      done.then(() => this.#tunnels.delete(tunnel));
    }
  }
}

/** One client's connection and the one behind it. */
class Tunnel {
  readonly #client: Deno.Conn;
  readonly #toxics: Toxics;
  readonly #gone = Promise.withResolvers<void>();
  #server: Deno.Conn | undefined;
  #cut = false;

  constructor(client: Deno.Conn, toxics: Toxics) {
    this.#client = client;
    this.#toxics = toxics;
  }

  cut(): void {
    this.#cut = true;
    closeQuietly(this.#client);
    if (this.#server !== undefined) closeQuietly(this.#server);
    this.#gone.resolve();
  }

  async run(port: number, gates: Record<Flow, Gate>): Promise<void> {
    try {
      const server = await Deno.connect({ hostname: "127.0.0.1", port });
      this.#server = server;
      if (this.#cut) return;
      await Promise.all([
        this.#pass("to-server", this.#client, server, gates["to-server"]),
        this.#pass("to-client", server, this.#client, gates["to-client"]),
      ]);
    } catch {
      // One side has gone, or was cut: then so is the other.
    } finally {
      this.cut();
    }
  }

  async #pass(flow: Flow, from: Deno.Conn, to: Deno.Conn, gate: Gate) {
    const delay = this.#toxics.delay?.[flow] ?? 0;
    let left = this.#toxics.cutAfter?.[flow] ?? Infinity;
    const buffer = new Uint8Array(64 * 1024);
    while (left > 0) {
      const count = await from.read(buffer);
      if (delay > 0) await this.#wait(delay);
      await Promise.race([gate.passage(), this.#gone.promise]);
      if (count === null) return await to.closeWrite();
      const bytes = buffer.subarray(0, Math.min(count, left));
      await writeAll(to, bytes);
      left -= bytes.length;
    }
    this.cut();
  }

  async #wait(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    await Promise.race([promise, this.#gone.promise]);
    clearTimeout(timer);
  }
}

/** Open, or shut until it is opened. */
class Gate {
  #opened: PromiseWithResolvers<void> | undefined;

  shut(): void {
    this.#opened ??= Promise.withResolvers();
  }

  open(): void {
    this.#opened?.resolve();
    this.#opened = undefined;
  }

  async passage(): Promise<void> {
    while (this.#opened !== undefined) await this.#opened.promise;
  }
}
