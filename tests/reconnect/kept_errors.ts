/**
 * Prints how many errors of a client's ended connections are in memory while its
 * next connection is open. With them V8 keeps what their stacks were made of, such
 * as the connections. The argument is the name of a transport. Needs
 * `--v8-flags=--expose-gc`.
 */

import {
  type TransportName,
  WebSocketStreamClient,
  type WSError,
} from "../../mod.ts";
import { collectGarbage } from "../../bench/harness.ts";
import { serve } from "../../src/server/server.ts";

const DROPS = 3;
const transport: TransportName = Deno.args[0] === "tcp" ? "tcp" : "native";

let drops = 0;
const done = Promise.withResolvers<void>();
await using server = serve({
  onPeer: async (peer) => {
    if (drops++ < DROPS) await peer.drop();
    else await peer.send("done");
  },
});
const errors: WeakRef<WSError>[] = [];
const client = new WebSocketStreamClient({
  url: server.url,
  transport,
  initialBackoff: 1,
  maxBackoff: 1,
}, {
  onError: (error) => void errors.push(new WeakRef(error)),
  onMessage: () => done.resolve(),
});
await client.start();
await done.promise;
// In a task of its own a WeakRef no longer keeps what it was made for.
await new Promise((resolve) => setTimeout(resolve));
collectGarbage();
const kept = errors.filter((error) => error.deref() !== undefined).length;
console.log(`${kept} of ${errors.length}`);
await client.stop();
