import { closeQuietly, type Transport } from "./listener.ts";

/** How long a client may take for TLS and its request head, ms. */
const HANDSHAKE_TIMEOUT = 10_000;

/** A connection during its handshake, and the deadline of that. */
export class Newcomer {
  /** Settles when the handshake has ended, in whatever way; never rejects. */
  readonly done: Promise<void>;
  readonly #transport: Transport;
  readonly #gone = Promise.withResolvers<undefined>();

  /** `welcome` must end soon after `gone` has resolved, and never reject. */
  constructor(
    transport: Transport,
    welcome: (gone: Promise<undefined>) => Promise<void>,
  ) {
    this.#transport = transport;
    const deadline = setTimeout(() => this.end(), HANDSHAKE_TIMEOUT);
    this.done = welcome(this.#gone.promise).finally(() => {
      clearTimeout(deadline);
    });
  }

  /** Gives it up: the connection is closed. */
  end(): void {
    closeQuietly(this.#transport);
    this.#gone.resolve(undefined);
  }
}
