import { WSError } from "../../src/errors.ts";
import {
  type SendConfig,
  Sender,
  type SenderHooks,
} from "../../src/send/sender.ts";
import { ManualTurns, toText } from "./fake_socket.ts";

export const STOPPED: WSError = new WSError("stopped", {
  code: "STOPPED",
  severity: "fatal",
});

/** The defaults of a client. */
export const DEFAULTS: SendConfig = {
  sendQueueMaxSize: 1000,
  sendQueueMaxBytes: 16 * 1024 * 1024,
  overflow: "wait",
  redeliver: "unflushed",
};

/** The hooks of a sender, some of which a test replaces. */
export interface Hooks extends Partial<Omit<SenderHooks, "notifier">> {
  readonly onDrop?: SenderHooks["notifier"]["drop"];
}

/** A sender, and what it tells. Without `hooks.turn`, turns pass by hand. */
export function setUp(
  config: Partial<SendConfig> = {},
  hooks: Hooks = {},
): {
  sender: Sender;
  turns: ManualTurns;
  dropped: string[];
  errors: WSError[];
} {
  const dropped: string[] = [];
  const errors: WSError[] = [];
  const turns = new ManualTurns();
  const sender = new Sender({ ...DEFAULTS, ...config }, {
    notifier: {
      drop: hooks.onDrop ??
        ((data, reason) => dropped.push(`${reason} ${toText(data)}`)),
      error: (error) => errors.push(error),
    },
    refuseToWait: () => undefined,
    turn: turns.turn,
    ...hooks,
  });
  return { sender, turns, dropped, errors };
}

/** What became of a promise by now: its value, the code of its error, or `"pending"`. */
export async function outcome(promise: Promise<unknown>): Promise<unknown> {
  let seen: unknown = "pending";
  promise.then(
    (value) => seen = value === undefined ? "ok" : value,
    (error) => seen = error instanceof WSError ? error.code : error,
  );
  for (let i = 0; i < 10; i++) await Promise.resolve();
  return seen;
}
