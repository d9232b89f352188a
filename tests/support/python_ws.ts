import {
  canRun,
  type ForeignServer,
  type Program,
  startServer,
} from "./foreign_server.ts";

/**
 * Starts a server made with Python's `websockets`: it echoes, or does what the
 * path says (`python_ws_server.py`).
 */
export async function findPythonWs(): Promise<
  Program<() => Promise<ForeignServer>>
> {
  // The first `python3` may be one without the distribution's modules.
  for (const python of ["python3", "/usr/bin/python3"]) {
    if (await canRun(python, "-c", "import websockets.legacy.server")) {
      const script = new URL("./python_ws_server.py", import.meta.url);
      return { start: () => startServer(python, ["-u", script.pathname]) };
    }
  }
  return { missing: "no python3 here has the module websockets" };
}
