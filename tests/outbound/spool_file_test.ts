import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { WSError } from "../../src/errors.ts";
import { openSpool } from "../../src/outbound/spool_file.ts";
import { Spool } from "../../src/outbound/spool.ts";
import { TempFile } from "../support/temp_file.ts";

const ASIDE = "queue.spool.damaged-2030-01-02T03-04-05.006Z";
/** More than a log holds: all but the last one are in the file. */
const LEFT = 1200;
const NOW = Date.UTC(2030, 0, 2, 3, 4, 5, 6);

Deno.test("a spool is opened with what is in it", () => {
  using file = new TempFile();
  keep(file, "a", "b");
  const { spool, stored } = openSpool(file.path, NOW, fail);
  spool.close();
  assertEquals(stored.map(({ data }) => data), ["a", "b"]);
});

Deno.test("a damaged spool is set aside, reported, and a new one begun", () => {
  using file = new TempFile();
  keep(file, "a");
  const damaged = Deno.readFileSync(file.path).fill(65, 0, 2000);
  Deno.writeFileSync(file.path, damaged);
  const reports: WSError[] = [];
  const { spool, stored } = openSpool(
    file.path,
    NOW,
    (error) => reports.push(error),
  );
  spool.close();
  assertEquals(stored, []);
  assertEquals(file.names(), ["queue.spool", ASIDE]);
  assertEquals(Deno.readFileSync(`${file.folder}/${ASIDE}`), damaged);
  assertEquals(reports.map(({ code, severity }) => [code, severity]), [
    ["SPOOL", "transient"],
  ]);
  assertMatch(reports[0]?.message ?? "", /damaged-2030/);
});

Deno.test("a log that SQLite would throw away is set aside with its file", () => {
  const damages: ((path: string) => void)[] = [
    (path) => Deno.writeFileSync(path, new Uint8Array()),
    (path) => Deno.removeSync(path),
    (path) => Deno.writeFileSync(`${path}-wal`, new Uint8Array(5000)),
    (path) => Deno.writeTextFileSync(path, "garbage ".repeat(1000)),
  ];
  for (const damage of damages) {
    using file = new TempFile();
    leave(file);
    damage(file.path);
    let reports = 0;
    openSpool(file.path, NOW, () => reports++).spool.close();
    assertEquals(reports, 1);
    assertEquals(file.names().includes(`${ASIDE}-wal`), true);
  }
});

Deno.test("what a killed process has left in the log is found", () => {
  using file = new TempFile();
  leave(file);
  const { spool, stored } = openSpool(file.path, NOW, fail);
  spool.close();
  assertEquals(stored.length, LEFT);
});

Deno.test("a spool that somebody holds, or that is none, is a fatal error and stays", () => {
  using file = new TempFile();
  const held = new Spool(file.path);
  const error = errorOf(() => openSpool(file.path, NOW, fail));
  held.close();
  assertEquals([error.code, error.severity], ["SPOOL", "fatal"]);
  assertMatch(error.message, /queue\.spool.*somebody else has it open/);

  const folder = errorOf(() => openSpool(file.folder, NOW, fail));
  assertEquals([folder.code, folder.severity], ["SPOOL", "fatal"]);
  const nowhere = errorOf(() => openSpool(`${file.folder}/no/x`, NOW, fail));
  assertEquals([nowhere.code, nowhere.severity], ["SPOOL", "fatal"]);
});

Deno.test("another process cannot open it, and SIGKILL sets it free", async () => {
  using file = new TempFile();
  keep(file, "a");
  const holder = runChild(file, ["--allow-read", "--allow-write"], "hold");
  const lines = holder.stdout.pipeThrough(new TextDecoderStream());
  for await (const line of lines.values({ preventCancel: true })) {
    if (line.includes("open")) break;
  }
  const error = errorOf(() => openSpool(file.path, NOW, fail));
  assertMatch(error.message, /somebody else has it open/);
  holder.kill("SIGKILL");
  await holder.status;
  await lines.cancel();
  const { spool, stored } = openSpool(file.path, NOW, fail);
  spool.close();
  assertEquals(stored.map(({ data }) => data), ["a"]);
});

Deno.test("without permission the error names the flags", async () => {
  using file = new TempFile();
  const { path, folder } = file;
  assertEquals(
    await childError(file, []),
    `PERMISSION fatal Cannot open the spool ${path} without permission: run ` +
      `again with --allow-read=${path} --allow-write=${path}`,
  );
  Deno.writeTextFileSync(path, "damaged ".repeat(1000));
  const error = await childError(file, [
    `--allow-read=${path}`,
    `--allow-write=${path}`,
  ]);
  assertMatch(error, /^SPOOL fatal .*damaged/);
  assertEquals(error.includes(`--allow-read=${folder}`), true);
  assertEquals(error.includes(`--allow-write=${folder}`), true);
  assertEquals(file.names(), ["queue.spool"]);
});

function keep(file: TempFile, ...texts: string[]): void {
  const spool = new Spool(file.path);
  spool.write(
    texts.map((data) => ({ data, expires: Infinity, key: undefined, row: 0 })),
  );
  spool.close();
}

/** Leaves the files as a process that is killed does. */
function leave(file: TempFile): void {
  using original = new TempFile();
  const spool = new Spool(original.path);
  const data = "x".repeat(3000);
  const puts = Array.from(
    { length: LEFT },
    () => ({ data, expires: Infinity, key: undefined, row: 0 }),
  );
  spool.write(puts.slice(1));
  spool.write(puts.slice(0, 1));
  for (const name of original.names()) {
    Deno.copyFileSync(`${original.folder}/${name}`, `${file.folder}/${name}`);
  }
  spool.close();
}

function fail(error: WSError): never {
  throw error;
}

function errorOf(open: () => unknown): WSError {
  return assertThrows(open, WSError);
}

async function childError(
  file: TempFile,
  flags: readonly string[],
): Promise<string> {
  const child = runChild(file, flags, "open");
  const { stdout } = await child.output();
  return new TextDecoder().decode(stdout).trim();
}

function runChild(
  file: TempFile,
  flags: readonly string[],
  what: "open" | "hold",
): Deno.ChildProcess {
  const script = new URL("../support/spool_holder.ts", import.meta.url);
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      ...flags,
      script.pathname,
      file.path,
      what,
    ],
    stdout: "piped",
    stderr: "null",
  }).spawn();
}
