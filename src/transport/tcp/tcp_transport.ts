/**
 * A transport of our own: RFC 6455 over `Deno.connect`. It needs no permission
 * beyond `--allow-net`, except for Unix sockets.
 *
 * @module
 */

import type { CompressionConfig } from "../../config.ts";
import type { HandshakeRequest, Socket, Transport } from "../transport.ts";
import { dial, type DialOptions, StreamHolder } from "./dial.ts";
import { failureOf } from "./failures.ts";

/** The options of a {@linkcode TcpTransport}. */
export interface TcpOptions extends DialOptions {
  /** permessage-deflate (RFC 7692). @default false */
  readonly compression?: boolean | CompressionConfig;
  /** Larger messages close the connection with 1009. @default 64 MiB */
  readonly maxMessageBytes?: number;
}

/**
 * Opens connections with our own framing.
 *
 * @example
 * ```ts
 * import { TcpTransport } from "./tcp_transport.ts";
 *
 * const transport = new TcpTransport({ compression: true });
 * const socket = await transport.connect(
 *   { url: new URL("ws://127.0.0.1:8080/"), subprotocols: [] },
 *   AbortSignal.timeout(10_000),
 * );
 * socket.listen({
 *   onMessage: (data) => console.log(data),
 *   onEnd: ({ code }) => console.log("closed", code),
 * });
 * socket.send("hello");
 * ```
 */
export class TcpTransport implements Transport {
  readonly #options: TcpOptions;

  constructor(options: TcpOptions = {}) {
    this.#options = options;
  }

  async connect(
    request: HandshakeRequest,
    signal: AbortSignal,
  ): Promise<Socket> {
    signal.throwIfAborted();
    const holder = new StreamHolder();
    const onAbort = () => holder.close();
    signal.addEventListener("abort", onAbort);
    try {
      const socket = await this.#connect(request, holder, signal);
      signal.throwIfAborted();
      holder.release();
      return socket;
    } catch (error) {
      holder.close();
      signal.throwIfAborted();
      throw failureOf(error, "http");
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Connections share nothing. */
  close(): void {}

  async #connect(
    request: HandshakeRequest,
    holder: StreamHolder,
    signal: AbortSignal,
  ): Promise<Socket> {
    const { compression = false, maxMessageBytes = 64 * 1024 * 1024 } =
      this.#options;
    const { url } = request;
    const [stream, { handshakeOf, upgrade }, { TcpSocket }] = await Promise.all(
      [
        dial(url, this.#options, holder, signal),
        // Loaded while the dial waits for the network.
        import("./upgrade.ts"),
        import("./tcp_socket.ts"),
      ],
    );
    const settings = compression === true ? {} : compression;
    const { head, rest, subprotocol, deflate } = await upgrade(
      stream,
      handshakeOf(request, settings === false ? undefined : settings),
    );
    return new TcpSocket({
      url: url.href,
      protocol: subprotocol,
      head,
      stream,
      rest,
      maxMessageBytes,
      ...(deflate !== undefined && settings !== false && {
        compression: {
          parameters: deflate,
          threshold: settings.threshold ?? 1024,
        },
      }),
    });
  }
}
