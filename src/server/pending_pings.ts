/** The pings of one connection that have not been answered yet. */
export class PendingPings {
  readonly #waiting = new Map<number, PromiseWithResolvers<boolean>>();
  #next = 0;

  /** A new ping: its payload, and what resolves with true at the pong. */
  add(): { payload: Uint8Array; answered: Promise<boolean> } {
    const id = this.#next++;
    const pong = Promise.withResolvers<boolean>();
    this.#waiting.set(id, pong);
    return { payload: payloadOf(id), answered: pong.promise };
  }

  /**
   * Settles the ping that this pong answers. Unsolicited pongs are allowed and
   * mean nothing (RFC 6455, 5.5.3).
   */
  answer(payload: Uint8Array<ArrayBuffer>): void {
    if (payload.length !== 4) return;
    const id = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
    this.#waiting.get(id)?.resolve(true);
    this.#waiting.delete(id);
  }

  /** No pong will come any more: all resolve with false. */
  abandon(): void {
    for (const pong of this.#waiting.values()) pong.resolve(false);
    this.#waiting.clear();
  }
}

function payloadOf(id: number): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, id);
  return payload;
}
