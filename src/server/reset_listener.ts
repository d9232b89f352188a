import { createServer, Socket } from "node:net";
import type { Incoming, Listener, ListenOptions } from "./listener.ts";
import type { Transport } from "./transport.ts";

/**
 * Whether connections can be reset: `Deno.Conn` always says FIN first, and
 * `node:net` can do better since Deno 2.9.
 */
export function canReset(): boolean {
  return typeof Socket.prototype.resetAndDestroy === "function";
}

/** As `listen`, but for plain TCP only, and its transports can `reset`. */
export async function listenForResets(
  { hostname = "127.0.0.1", port = 0 }: ListenOptions,
): Promise<Listener> {
  const incoming: Incoming[] = [];
  let waiting: PromiseWithResolvers<void> | undefined;
  const server = createServer({
    allowHalfOpen: true,
    noDelay: true,
    pauseOnConnect: true,
  });
  server.on("connection", (socket) => {
    incoming.push({
      transport: new SocketTransport(socket),
      remote: {
        transport: "tcp",
        hostname: socket.remoteAddress ?? "",
        port: socket.remotePort ?? 0,
      },
    });
    waiting?.resolve();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, hostname, resolve);
  });
  server.on("error", () => waiting?.resolve());
  const address = server.address();
  if (address === null || typeof address === "string") {
    throw new Error(`Cannot listen on ${hostname}:${port}`);
  }
  return {
    addr: { transport: "tcp", hostname: address.address, port: address.port },
    async accept() {
      for (;;) {
        const next = incoming.shift();
        if (next !== undefined) return next;
        if (!server.listening) throw new Deno.errors.BadResource("closed");
        waiting = Promise.withResolvers();
        await waiting.promise;
      }
    },
    close() {
      server.close();
      waiting?.resolve();
    },
  };
}

/** A `node:net` socket, read and written by promises. */
class SocketTransport implements Transport {
  readonly #socket: Socket;
  #rest: Uint8Array = new Uint8Array(0);
  #ended = false;
  #failure: Error | undefined;
  /** Wakes the one read that waits. */
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    const wake = () => this.#wake?.();
    socket.on("readable", wake);
    socket.on("close", wake);
    socket.on("end", () => {
      this.#ended = true;
      wake();
    });
    socket.on("error", (error) => {
      this.#failure = error;
      wake();
    });
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#rest.length === 0) {
      const chunk = this.#socket.read();
      if (chunk !== null) this.#rest = chunk;
      else if (this.#failure !== undefined) throw this.#failure;
      else if (this.#ended || this.#socket.destroyed) return null;
      else await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const part = this.#rest.subarray(0, into.length);
    this.#rest = this.#rest.subarray(part.length);
    into.set(part);
    return part.length;
  }

  write(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => {
        if (error) reject(error);
        else resolve(bytes.length);
      });
    });
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve) => this.#socket.end(resolve));
  }

  close(): void {
    this.#socket.destroy();
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }
}
