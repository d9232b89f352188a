/** The current folder and the time zone belong to the process, not to a test. */

import { assert, assertEquals } from "@std/assert";
import { OutputFiles } from "../../src/cli/output/files.ts";
import { parseRetryAfter } from "../../src/transport/classify.ts";
import { setUp, STOPPED } from "../send/set_up.ts";
import { TempFile } from "../support/temp_file.ts";

Deno.test("a name without a folder is in the current one", () => {
  using file = new TempFile();
  using _folder = new CurrentFolder(file.folder);
  {
    using files = new OutputFiles({ template: "x", host: "example.com" });
    files.write(new TextEncoder().encode("a"));
  }
  assertEquals(file.names(), ["x"]);
  assertEquals(Deno.readTextFileSync(`${file.folder}/x`), "a");
});

Deno.test("names that mean something to SQLite are names of files", async () => {
  using file = new TempFile();
  using _folder = new CurrentFolder(file.folder);
  for (const name of [":memory:", "file:x?mode=memory"]) {
    const { sender } = setUp({ spool: name });
    await sender.open();
    sender.end(STOPPED);
    assert(file.names().includes(name), name);
  }
});

Deno.test("a date of Retry-After is UTC, wherever the program runs", () => {
  const now = Date.UTC(1994, 10, 6, 8, 49, 37);
  const zone = Deno.env.get("TZ");
  Deno.env.set("TZ", "America/New_York");
  try {
    assertEquals(new Date(now).getTimezoneOffset(), 300);
    assertEquals(parseRetryAfter("Sun Nov  6 08:50:37 1994", now), 60_000);
  } finally {
    if (zone === undefined) Deno.env.delete("TZ");
    else Deno.env.set("TZ", zone);
  }
});

/** Makes a folder the current one until it is disposed. */
class CurrentFolder implements Disposable {
  readonly #before = Deno.cwd();

  constructor(path: string) {
    Deno.chdir(path);
  }

  [Symbol.dispose](): void {
    Deno.chdir(this.#before);
  }
}
