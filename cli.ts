/**
 * The program `ws-stream`.
 *
 * ```sh
 * deno run --allow-net=example.com jsr:@ws-stream/client/cli wss://example.com
 * ```
 *
 * @module
 */

import { main } from "./src/cli/main.ts";

if (import.meta.main) await main(Deno.args);
