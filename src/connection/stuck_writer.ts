/**
 * Whether what was handed to a socket leaves it.
 *
 * The peer may have stopped to read, or be gone. Then not even its close is
 * noticed, because the runtime reads no further until it has written the
 * answer.
 *
 * @module
 */

/** Bytes that may take the timeout to leave. */
const UNIT = 1024 * 1024;

/** Follows the bytes in one socket. */
export class StuckWriter {
  readonly #timeout: number;
  #buffered = 0;
  /** A lower bound of what has left; it grows only if something did. */
  #left = -Infinity;
  #since = 0;

  /** `timeout` is in milliseconds. */
  constructor(timeout: number) {
    this.#timeout = timeout;
  }

  /**
   * How long the bytes in the socket may stand still. The socket tells only
   * when a whole message has left, so more than a MiB gets the timeout for each
   * MiB: a large message on a slow line would else be cut off again and again.
   */
  get timeout(): number {
    return this.#timeout * Math.max(1, this.#buffered / UNIT);
  }

  /** The moment from which the writer counts as stuck. */
  get due(): number {
    return this.#since + this.timeout;
  }

  /** What is wrong, in a sentence. */
  get verdict(): string {
    return `${this.#buffered} bytes have not moved for ${this.timeout} ms`;
  }

  /**
   * Looks at the socket: how much was `handed` to it so far (bytes, or UTF-16
   * code units of texts, which are never more) and how many bytes wait in it.
   * A full socket may be a busy one, so only both together tell.
   */
  look(handed: number, buffered: number, now: number): void {
    const left = handed - buffered;
    if (buffered === 0 || left > this.#left) this.#since = now;
    this.#left = left;
    this.#buffered = buffered;
  }
}
