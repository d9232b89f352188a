import {
  canRun,
  type ForeignServer,
  type Program,
  startServerOn,
} from "./foreign_server.ts";
import { freePort } from "./free_port.ts";

/**
 * Starts `websocketd`, which runs a command for each connection: its lines are
 * the messages, both ways.
 */
export async function findWebsocketd(): Promise<
  Program<(...command: [string, ...string[]]) => Promise<ForeignServer>>
> {
  if (!await canRun("websocketd", "--version")) {
    return { missing: "websocketd is not installed" };
  }
  return {
    start: (...command) => {
      const port = freePort();
      return startServerOn(port, "websocketd", [
        "--address=127.0.0.1",
        `--port=${port}`,
        "--loglevel=fatal",
        ...command,
      ]);
    },
  };
}
