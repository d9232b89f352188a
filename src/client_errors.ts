/**
 * The errors that come from the client as a whole, not from one of its parts.
 *
 * @module
 */

import { WSError } from "./errors.ts";
import { kindOf } from "./rules.ts";

/** The client ended because the program wanted it to. */
export function stopped(cause?: unknown): WSError {
  return new WSError("The client was stopped", {
    code: "STOPPED",
    severity: "fatal",
    cause,
  });
}

/** The client ended because the server was done and it was not to reconnect. */
export function served(): WSError {
  return new WSError("The server closed the connection, and that was all", {
    code: "STOPPED",
    severity: "fatal",
  });
}

/** Waiting for the queue inside the gate that the queue waits for. */
export function waitsForItself(): WSError {
  return new WSError(
    "Cannot wait for the queue inside onConnect as the queue waits for " +
      "onConnect: use session.send()",
    { code: "QUEUE_FULL", severity: "transient" },
  );
}

/** A message of the wrong kind. */
export function notA(kind: "text" | "binary", value: unknown): TypeError {
  const rule = kind === "text" ? "a string" : "a Uint8Array";
  return new TypeError(
    `Cannot send as ${kind} what is not ${rule}: ` +
      `current value is ${kindOf(value)}`,
  );
}

/** A bug of ours: something threw that should not. */
export function internalError(cause: unknown): WSError {
  return new WSError(`The client failed: ${String(cause)}`, {
    code: "CONNECT",
    severity: "fatal",
    cause,
  });
}
