import { type ForeignServer, startServer } from "./foreign_server.ts";

/** What the server does. */
export type NodeWsMode =
  /** Everything comes back. */
  | "echo"
  /** The numbers from 0, one a message, as fast as they go. */
  | "feed";

/**
 * A server made with `npm:ws`, the most widely used one for Node.js. It pings
 * each client every 100 ms and ends those that do not answer.
 *
 * @example
 * ```ts
 * import { startNodeWs } from "./node_ws.ts";
 *
 * await using server = await startNodeWs("echo");
 * new WebSocket(server.url);
 * ```
 */
export function startNodeWs(mode: NodeWsMode): Promise<ForeignServer> {
  const script = new URL("./node_ws_server.ts", import.meta.url);
  return startServer(Deno.execPath(), [
    "run",
    "--allow-all",
    "--no-lock",
    script.href,
    mode,
  ]);
}
