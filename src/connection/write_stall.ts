/**
 * Whether bytes that were given to a socket leave it. The server may have
 * stopped reading, or be gone. Then not even its close is noticed, because the
 * native socket reads no further until it has written its answer.
 *
 * @module
 */

/** Bytes that may take the timeout to leave. */
const UNIT = 1024 * 1024;

/** Follows the bytes in one socket. */
export class WriteStall {
  /**
   * How long a MiB may stand still, in milliseconds. The socket tells only when
   * a whole message has left, so more bytes get the timeout for each MiB:
   * otherwise a large message on a slow line would be cut off again and again.
   */
  timeout: number;
  #buffered = 0;
  /** A lower bound of what has left; it grows only if something did. */
  #left = -Infinity;
  #since = 0;

  /** @param timeout in milliseconds */
  constructor(timeout: number) {
    this.timeout = timeout;
  }

  /** The moment from which the writes count as stalled. */
  get due(): number {
    return this.#since + this.#limit;
  }

  /** What is wrong, in a few words. */
  get finding(): string {
    return `${this.#buffered} bytes have not moved for ${this.#limit} ms`;
  }

  /**
   * Looks at the socket: the payload `written` to it so far (see
   * `Socket.bytesWritten`) and the bytes `buffered` in it. A full socket may be
   * a busy one, so only both together tell.
   */
  look(written: number, buffered: number, now: number): void {
    const left = written - buffered;
    if (buffered === 0 || left > this.#left) this.#since = now;
    this.#left = left;
    this.#buffered = buffered;
  }

  get #limit(): number {
    return Math.round(this.timeout * Math.max(1, this.#buffered / UNIT));
  }
}
