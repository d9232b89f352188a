/**
 * What a test hears of a socket.
 *
 * @module
 */

import type {
  Socket,
  SocketEnd,
  SocketListener,
} from "../../src/transport/transport.ts";
import type { Message } from "../../src/message.ts";

/** Listens to one socket. */
export class Ear implements SocketListener {
  /** All messages so far. */
  readonly heard: Message[] = [];
  /** How it ended. */
  readonly ended: Promise<SocketEnd>;
  readonly #settle: (end: SocketEnd) => void;
  readonly #each: (data: Message) => void;

  /** `each` is called for each message. */
  constructor(
    socket: Pick<Socket, "listen">,
    each: (data: Message) => void = () => {},
  ) {
    const { promise, resolve } = Promise.withResolvers<SocketEnd>();
    this.ended = promise;
    this.#settle = resolve;
    this.#each = each;
    socket.listen(this);
  }

  onMessage(data: Message): void {
    this.heard.push(data);
    this.#each(data);
  }

  onEnd(end: SocketEnd): void {
    this.#settle(end);
  }
}
