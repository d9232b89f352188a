import { assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { type Put, Spool, SpoolFault } from "../../src/outbound/spool.ts";
import { TempFile } from "../support/temp_file.ts";

Deno.test("messages come back as they were, in their order", () => {
  using file = new TempFile();
  const puts = [
    put("text"),
    put("NUL \0 in the middle, \ufeff, ünïcödé 🎉"),
    put("\ufeffa byte order mark in front"),
    put(""),
    put(new Uint8Array([0, 255, 0])),
    put(new Uint8Array()),
    put("expires", { expires: 1_700_000_000_000.5 }),
    put("keyed", { key: "a key, \0 and \ud800 in it" }),
  ];
  written(file, puts);
  assertEquals(
    loaded(file),
    puts.map(({ data, expires, key, row }) => ({ row, data, expires, key })),
  );
});

Deno.test("a lone surrogate comes back as it would have gone out", () => {
  using file = new TempFile();
  written(file, [put("a\ud800b")]);
  assertEquals(loaded(file)[0]?.data, "a\ufffdb");
});

Deno.test("any script of writes, overwrites and erasures leaves what it should", () => {
  const script = fc.array(
    fc.array(
      fc.oneof(
        fc.string().map((text) => ({ what: "put", text, at: 0 })),
        fc.tuple(fc.nat(9), fc.string())
          .map(([at, text]) => ({ what: "overwrite", text, at })),
        fc.nat(9).map((at) => ({ what: "erase", text: "", at })),
      ),
      { maxLength: 5 },
    ),
    { maxLength: 8 },
  );
  using file = new TempFile();
  let n = 0;
  fc.assert(
    fc.property(script, (transactions) => {
      const path = `${file.folder}/${n++}`;
      const spool = new Spool(path);
      let model: Put[] = [];
      for (const steps of transactions) {
        const puts: Put[] = [];
        const erased: number[] = [];
        for (const { what, text, at } of steps) {
          const old = model[at];
          if (what === "put") puts.push(put(text));
          if (old === undefined || erased.includes(old.row)) continue;
          if (what === "overwrite") puts.push(put(text, { row: old.row }));
          if (what === "erase" && !puts.some(({ row }) => row === old.row)) {
            erased.push(old.row);
          }
        }
        spool.write(puts, erased);
        model = model.filter(({ row }) => !erased.includes(row));
        for (const one of puts) {
          const index = model.findIndex(({ row }) => row === one.row);
          if (index < 0) model.push(one);
          else model[index] = one;
        }
      }
      assertEquals(
        spool.load().map(({ row, data }) => ({ row, data })),
        model.map(({ row, data }) => ({ row, data })),
      );
      spool.close();
    }),
    { numRuns: 30 },
  );
});

Deno.test("a write that fails changes nothing", () => {
  using file = new TempFile();
  const spool = new Spool(file.path);
  const first = put("a");
  spool.write([first]);
  const bad = {
    ...put("b"),
    get data(): string {
      throw new Error("out of memory");
    },
  };
  assertThrows(() => spool.write([put("c"), bad], [first.row]));
  assertEquals(spool.load().map(({ data }) => data), ["a"]);
  spool.write([put("d")]);
  assertEquals(spool.load().map(({ data }) => data), ["a", "d"]);
  spool.close();
});

Deno.test("what is erased stays away", () => {
  using file = new TempFile();
  const spool = new Spool(file.path);
  const puts = ["a", "b", "c"].map((text) => put(text));
  spool.write(puts);
  spool.erase(puts.slice(0, 2).map(({ row }) => row));
  spool.close();
  assertEquals(loaded(file).map(({ data }) => data), ["c"]);
});

Deno.test("a spool has one holder, in this process too", () => {
  using file = new TempFile();
  const spool = new Spool(file.path);
  assertEquals(faultOf(() => new Spool(file.path)).kind, "locked");
  spool.write([put("a")]);
  assertEquals(faultOf(() => new Spool(file.path)).kind, "locked");
  spool.close();
  assertEquals(loaded(file).length, 1);
});

Deno.test("another program's database is left alone", () => {
  using file = new TempFile();
  const theirs = new DatabaseSync(file.path);
  theirs.exec("CREATE TABLE precious (data); PRAGMA user_version = 1");
  theirs.close();
  const before = Deno.readFileSync(file.path);
  assertEquals(faultOf(() => new Spool(file.path)).kind, "foreign");
  assertEquals(Deno.readFileSync(file.path), before);
});

Deno.test("a spool of a later version is left alone", () => {
  using file = new TempFile();
  written(file, [put("a")]);
  const db = new DatabaseSync(file.path);
  db.exec("PRAGMA user_version = 2");
  db.close();
  assertEquals(faultOf(() => new Spool(file.path)).kind, "foreign");
});

Deno.test("damage is seen when it is opened, wherever it is", () => {
  using file = new TempFile();
  const damages: ((bytes: Uint8Array) => Uint8Array)[] = [
    (bytes) => bytes.fill(65),
    (bytes) => bytes.fill(0, 0, 100),
    (bytes) => bytes.subarray(0, 5000),
    (bytes) => bytes.fill(0xee, 4096, 4200),
    (bytes) => bytes.fill(0xee, -4096),
  ];
  for (const [index, damage] of damages.entries()) {
    const path = `${file.folder}/${index}`;
    const spool = new Spool(path);
    spool.write(Array.from({ length: 50 }, () => put("x".repeat(1000))));
    spool.close();
    Deno.writeFileSync(path, damage(Deno.readFileSync(path)));
    assertEquals(faultOf(() => new Spool(path)).kind, "damaged", `${index}`);
  }
});

Deno.test("names that mean something to SQLite are names of files", () => {
  using file = new TempFile();
  const before = Deno.cwd();
  Deno.chdir(file.folder);
  try {
    for (const name of [":memory:", "file:x?mode=memory"]) {
      new Spool(name).close();
      assertEquals(file.names().includes(name), true, name);
    }
  } finally {
    Deno.chdir(before);
  }
});

function put(
  data: Put["data"],
  { expires = Infinity, key, row = 0 }: Partial<Put> = {},
): Put {
  return { data, expires, key, row };
}

function written(file: TempFile, puts: readonly Put[]): void {
  const spool = new Spool(file.path);
  spool.write(puts);
  spool.close();
}

function loaded(file: TempFile) {
  const spool = new Spool(file.path);
  const stored = spool.load();
  spool.close();
  return stored;
}

function faultOf(open: () => unknown): SpoolFault {
  return assertThrows(open, SpoolFault);
}
