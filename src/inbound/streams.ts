/**
 * The client as a pair of Web Streams.
 *
 * @module
 */

import type { Message } from "../message.ts";

/** Where a writable puts what is written. */
export interface Sink {
  /** Resolves when the message is accepted. */
  send(message: Message): Promise<void>;
  /** Resolves when everything accepted is on the network. */
  flush(): Promise<unknown>;
}

/**
 * A stream of a reader's messages. It takes one only when it is asked for one,
 * so that what waits is bounded by the reader's buffer alone. Cancelling it
 * ends the reader; it errors with the reader's error.
 */
export function readableFrom(
  reader: AsyncIterable<Message>,
): ReadableStream<Message> {
  return ReadableStream.from(reader);
}

/**
 * A stream into the queue. A write is done when the queue has accepted the
 * message, so that writers feel a full queue. Closing waits until everything
 * is on the network, and does not stop the client. Aborting takes back nothing
 * that was accepted.
 */
export function writableTo(sink: Sink): WritableStream<Message> {
  return new WritableStream({
    write: (message) => sink.send(message),
    close: async () => {
      await sink.flush();
    },
  });
}
