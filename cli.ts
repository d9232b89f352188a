/**
 * The program `ws-stream`: a WebSocket client for pipes and terminals, and
 * `serve`, `ping`, `probe`, `record`, `replay`, `demo` and `completions`. Payload
 * goes to stdout, everything else to stderr; the exit code says how it ended.
 *
 * ```sh
 * deno run --allow-net=example.com jsr:@ws-stream/client/cli wss://example.com
 * deno install --global --allow-net --name ws-stream jsr:@ws-stream/client/cli
 * ```
 *
 * It exports nothing: import the module `@ws-stream/client` instead.
 *
 * @module
 */

import { main } from "./src/cli/main.ts";

if (import.meta.main) await main(Deno.args);
