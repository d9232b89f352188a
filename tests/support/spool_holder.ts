/** A process that opens a spool and tells what came of it; `hold` keeps it. */

import { WSError } from "../../src/errors.ts";
import { openSpool } from "../../src/outbound/spool_file.ts";

const [path = "", what] = Deno.args;
try {
  const { spool } = openSpool(path, 0, (error) => console.log(error.message));
  console.log("open");
  if (what === "hold") await new Promise((end) => setTimeout(end, 60_000));
  spool.close();
} catch (error) {
  if (!(error instanceof WSError)) throw error;
  console.log(error.code, error.severity, error.message);
}
