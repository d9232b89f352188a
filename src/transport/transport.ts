/**
 * The seam between the client and whatever carries a connection.
 *
 * The client sees {@linkcode Transport} and {@linkcode Socket} and nothing
 * else; everything that is particular to Deno's WebSocket or to our own framing
 * stays behind them. A transport reports facts ({@linkcode HandshakeFailure})
 * and never decides whether a retry makes sense: `classify.ts` does.
 *
 * @module
 */

import type { HandshakeResponse } from "../callbacks.ts";
import type { Message } from "../message.ts";

/** A handshake to be made (RFC 6455, section 4.1). */
export interface HandshakeRequest {
  /** The URL, without user info and without fragment. */
  readonly url: URL;
  /** Additional headers; none that the handshake sets itself. */
  readonly headers?: Headers;
  /** The subprotocols to offer, best first. */
  readonly subprotocols: readonly string[];
}

/** Opens connections with one configuration. */
export interface Transport {
  /**
   * Opens a connection. Redirects are not followed.
   * @throws {HandshakeFailure} the connection was not opened
   * @throws the signal's reason, once it aborts
   */
  connect(request: HandshakeRequest, signal: AbortSignal): Promise<Socket>;
  /** Frees what connections share. Open connections stay open. */
  close(): void;
}

/** An open connection. */
export interface Socket {
  /** The URL that was dialled. */
  readonly url: string;
  /** The subprotocol that the server chose; empty if none. */
  readonly protocol: string;
  /** The server's 101; `undefined` where the runtime hides it. */
  readonly response?: HandshakeResponse;
  /**
   * The payload given to `send` so far: bytes of binary messages, and of texts
   * at least the UTF-16 code units and at most the bytes.
   */
  readonly bytesWritten: number;
  /** Bytes received from the network so far; `undefined` if unknown. */
  readonly bytesRead?: number;
  /**
   * Payload bytes given to `send` that the network has not taken; a message
   * counts in full until the last byte of its frame is written. `undefined`
   * once the number is unknown. Our own transport knows it after the end, too.
   */
  readonly bufferedAmount: number | undefined;
  /**
   * Bytes that the network has taken so far, frame headers and parts of messages
   * included; `undefined` if only whole messages are seen to leave.
   */
  readonly bytesFlushed?: number;
  /** How much the queue may keep in this socket at a time. */
  readonly sendWindow: SendWindow;
  /**
   * Reports everything to the listener, including what arrived before this
   * call. To be called once.
   */
  listen(listener: SocketListener): void;
  /**
   * Sends a message; `size` is its length in bytes, if the caller knows it.
   * Ignored once the socket is closing or closed.
   */
  send(data: Message, size?: number): void;
  /**
   * Starts the closing handshake (RFC 6455, section 7.1.2) and terminates after
   * `timeout` milliseconds without the server's answer. After a close by the
   * server it only bounds the end of the socket. Later calls are ignored.
   * The answer comes behind messages: a paused socket does not see it.
   */
  close(code: number, reason: string, timeout: number): void;
  /**
   * Ends the connection at once. The listener gets `onEnd` (code 1006) before
   * this returns, unless it had it before.
   */
  terminate(): void;
  /** Sends a protocol ping (RFC 6455, section 5.5.2) that carries this number. */
  ping?(id: number): void;
  /** Stops reading: the server feels TCP backpressure, no message is lost. */
  pause?(): void;
  /** Starts reading again. */
  resume?(): void;
}

/** The limits of what a socket should buffer. */
export interface SendWindow {
  readonly bytes: number;
  readonly messages: number;
  /**
   * Whether the socket calls `onProgress`; one that does not has to be looked
   * at from time to time.
   */
  readonly reportsProgress: boolean;
}

/** Receives what happens on a {@linkcode Socket}. No method may throw. */
export interface SocketListener {
  /** Called for each message, in order. */
  onMessage(data: Message): void;
  /** Called once, after the last message. */
  onEnd(end: SocketEnd): void;
  /**
   * The server has closed the WebSocket, or broken the protocol, and the socket
   * ends soon: it discards what is sent from now on.
   */
  onEnding?(): void;
  /**
   * Whether messages wait in the buffers of readers. If so, a socket should let
   * the readers run before it reads more, where it can.
   */
  readonly hasUnread?: boolean;
  /** A pong arrived that carries the number of one of our pings. */
  onPong?(id: number): void;
  /** `bufferedAmount` has fallen (if `sendWindow.reportsProgress`). */
  onProgress?(): void;
}

/** How a connection ended. */
export interface SocketEnd {
  /** The close code; 1006 without a close frame (RFC 6455, section 7.4.1). */
  readonly code: number;
  /** The reason in the server's close frame. */
  readonly reason: string;
  /** Whether both sides exchanged close frames. */
  readonly wasClean: boolean;
  /** What went wrong, if anything did. */
  readonly failure?: ConnectionFailure;
}

/** What went wrong on an open connection. */
export interface ConnectionFailure {
  /**
   * - `"protocol"`: the server sent what RFC 6455 forbids
   * - `"too-large"`: the server sent a message larger than `maxMessageBytes`
   * - `"network"`: the connection broke
   */
  readonly kind: "protocol" | "too-large" | "network";
  /** In a few words, for the error's message. */
  readonly detail: string;
  /** The original exception. */
  readonly cause?: unknown;
}

/** The end of a connection that was dropped without a close frame. */
export const DROPPED: SocketEnd = Object.freeze({
  code: 1006,
  reason: "",
  wasClean: false,
});

/** What can go wrong before a connection is open. */
export type HandshakeFailureKind =
  /** Deno does not allow the connection. */
  | "permission"
  /** The options `tls` or `proxy` cannot be used. */
  | "options"
  /** The `httpClient` of the configuration is closed. */
  | "http-client-closed"
  /** The host name does not resolve. */
  | "dns"
  /** Nobody listens at the address, or it cannot be reached. */
  | "unreachable"
  /** The connection broke before the server answered. */
  | "reset"
  /** The server closed the connection before it answered. */
  | "hung-up"
  /** The server's certificate was not accepted. */
  | "certificate"
  /** The server's certificate is not valid yet. */
  | "certificate-not-yet-valid"
  /** The server wants a client certificate, or another one. */
  | "client-certificate"
  /** The server does not speak TLS on this port. */
  | "not-tls"
  /** Client and server could not agree on TLS. */
  | "tls"
  /** The server failed during the TLS handshake. */
  | "tls-server"
  /** The server has no HTTP/1.1. */
  | "no-http1"
  /** What answered is not HTTP. */
  | "not-http"
  /** The head of the answer is longer than we take. */
  | "head-too-long"
  /** The server answered with an HTTP status other than 101. */
  | "status"
  /** The server's 101 breaks RFC 6455, section 4.1; see `detail`. */
  | "upgrade"
  /** The server chose a subprotocol that was not offered. */
  | "subprotocol"
  /** The proxy wants credentials, or other ones. */
  | "proxy-credentials"
  /** What answered does not speak the proxy's protocol. */
  | "proxy-protocol"
  /** The proxy cannot be reached. */
  | "proxy-unreachable"
  /** The proxy did not connect to the server. */
  | "proxy-refused"
  /** The cause is unknown. */
  | "unknown"
  // Found before or between handshakes, not by a transport:
  /** A function of the configuration threw; `detail` is its key. */
  | "provider-threw"
  /** A function of the configuration returned a bad value; `detail` is its key. */
  | "provider-value"
  /** A redirect that must not be followed; see `detail`. */
  | "redirect"
  /** The attempt took too long; `detail` says which step was running. */
  | "timeout";

/** The runtime's words, without the page for programmers that rustls refers to. */
export function withoutReference(text: string): string {
  return text.replace(/: https:\/\/docs\.rs\/\S+$/, "");
}

/** What is known of a handshake that failed. */
export interface HandshakeFacts {
  readonly kind: HandshakeFailureKind;
  /** The runtime's or the server's own words, without URLs and secrets. */
  readonly detail?: string;
  /** The HTTP status of the answer. */
  readonly status?: number;
  /** The headers of the answer. */
  readonly headers?: Headers;
  /** The start of the answer's body, as text; at most a few KiB. */
  readonly body?: string;
  /** Advice for the user that only the transport can give. */
  readonly advice?: string;
  /** The original exception. */
  readonly cause?: unknown;
}

/** A handshake that failed: the facts, without a decision. */
export class HandshakeFailure extends Error {
  override readonly name = "HandshakeFailure";
  readonly facts: HandshakeFacts;

  constructor(facts: HandshakeFacts) {
    super(facts.detail ?? facts.kind, { cause: facts.cause });
    this.facts = facts;
  }
}
