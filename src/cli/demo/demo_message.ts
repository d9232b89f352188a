/**
 * What travels in the demo.
 *
 * @module
 */

/** A message of the demo, as JSON. */
export type DemoMessage =
  /** The client says a number, */
  | { readonly kind: "client"; readonly number: number }
  /** the server acknowledges it. */
  | { readonly kind: "received"; readonly number: number }
  /** The server says a number, */
  | { readonly kind: "feed"; readonly number: number }
  /** and the client, on each connection, which one it has heard last. */
  | { readonly kind: "resume"; readonly after: number }
  | { readonly kind: "ping" }
  | { readonly kind: "pong" };
