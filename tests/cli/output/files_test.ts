import { assertEquals, assertThrows } from "@std/assert";
import {
  fileName,
  OutputFiles,
  type RotationOptions,
  templateFolder,
} from "../../../src/cli/output/files.ts";

/** A folder with its files, and a clock that stands until it is set. */
class Folder implements AsyncDisposable {
  readonly path = Deno.makeTempDirSync();
  readonly complete: string[] = [];
  now = Date.UTC(2024, 0, 1, 12, 30);

  open(name: string, options: Partial<RotationOptions> = {}): OutputFiles {
    return new OutputFiles({
      template: `${this.path}/${name}`,
      host: "example.com",
      onComplete: (path) =>
        this.complete.push(path.slice(this.path.length + 1)),
      ...options,
    }, () => this.now);
  }

  put(name: string, text: string): void {
    Deno.writeTextFileSync(`${this.path}/${name}`, text);
  }

  /** What is in it, by path. */
  get files(): Record<string, string> {
    const files: Record<string, string> = {};
    const look = (folder: string) => {
      for (
        const { name, isDirectory } of Deno.readDirSync(
          `${this.path}/${folder}`,
        )
      ) {
        if (isDirectory) look(`${folder}${name}/`);
        else {files[folder + name] = Deno.readTextFileSync(
            `${this.path}/${folder}${name}`,
          );}
      }
    };
    look("");
    return files;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

function write(files: OutputFiles, ...texts: string[]): void {
  for (const text of texts) files.write(new TextEncoder().encode(text));
}

Deno.test("a file has its name once it is complete, and .part until then", async () => {
  await using folder = new Folder();
  {
    using files = folder.open("feed.ndjson");
    write(files, "a\n", "b\n");
    assertEquals(folder.files, { "feed.ndjson.part": "a\nb\n" });
    assertEquals(folder.complete, []);
  }
  assertEquals(folder.files, { "feed.ndjson": "a\nb\n" });
  assertEquals(folder.complete, ["feed.ndjson"]);
});

Deno.test("without a message there is no file", async () => {
  await using folder = new Folder();
  {
    using files = folder.open("feed.ndjson", { maxAge: 10 });
    folder.now += 100;
    files.completeIfDue();
  }
  assertEquals(folder.files, {});
});

Deno.test("a new file begins when the name changes", async () => {
  await using folder = new Folder();
  {
    using files = folder.open("{date}/{hour}{minute}.txt");
    write(files, "a");
    folder.now += 59_999;
    write(files, "b");
    folder.now += 1;
    write(files, "c");
    folder.now = Date.UTC(2024, 0, 2);
    write(files, "d");
  }
  assertEquals(folder.files, {
    "2024-01-01/1230.txt": "ab",
    "2024-01-01/1231.txt": "c",
    "2024-01-02/0000.txt": "d",
  });
});

Deno.test("a new file begins before one gets too large, and never within a message", async () => {
  await using folder = new Folder();
  {
    using files = folder.open("x", { maxSize: 5 });
    write(files, "aa", "bbb", "c", "dddddddd", "e");
  }
  assertEquals(folder.files, {
    "x": "aabbb",
    "x.2": "c",
    "x.3": "dddddddd",
    "x.4": "e",
  });
  assertEquals(folder.complete, ["x", "x.2", "x.3", "x.4"]);
});

Deno.test("a new file begins at an age", async () => {
  await using folder = new Folder();
  {
    using files = folder.open("x{n}", { maxAge: 1000 });
    write(files, "a");
    folder.now += 999;
    write(files, "b");
    folder.now += 1;
    write(files, "c");
    folder.now += 999;
    write(files, "d");
  }
  assertEquals(folder.files, { "x0001": "ab", "x0002": "cd" });
});

Deno.test("a quiet feed's file is complete when its time is over, too", async () => {
  await using folder = new Folder();
  using files = folder.open("{minute}", { maxAge: 120_000 });
  write(files, "a");
  files.completeIfDue();
  assertEquals(folder.files, { "30.part": "a" });
  folder.now += 60_000;
  files.completeIfDue();
  assertEquals(folder.files, { "30": "a" });
  files.completeIfDue();
  assertEquals(folder.complete, ["30"]);
});

Deno.test("no file that is there is written over", async () => {
  await using folder = new Folder();
  folder.put("x.txt", "yesterday's");
  folder.put("x.2.txt.part", "what a crash left behind");
  {
    using files = folder.open("x.txt");
    write(files, "a");
  }
  assertEquals(folder.files, {
    "x.txt": "yesterday's",
    "x.2.txt.part": "what a crash left behind",
    "x.3.txt": "a",
  });
});

Deno.test("two that write to the same name do not get in each other's way", async () => {
  await using folder = new Folder();
  {
    using first = folder.open("x");
    using second = folder.open("x");
    write(first, "1");
    write(second, "2");
    write(first, "1");
  }
  assertEquals(folder.files, { "x": "11", "x.2": "2" });
});

Deno.test("a folder that cannot be made is an error of the write", async () => {
  await using folder = new Folder();
  folder.put("file", "");
  using files = folder.open("file/x");
  assertThrows(() => write(files, "a"));
});

Deno.test("to end it twice is to end it once", async () => {
  await using folder = new Folder();
  const files = folder.open("x");
  write(files, "a");
  files[Symbol.dispose]();
  files[Symbol.dispose]();
  assertEquals(folder.complete, ["x"]);
});

const facts = {
  now: Date.UTC(2024, 1, 29, 23, 59, 59, 999),
  host: "feed.example.com",
  n: 1,
};

Deno.test("the fields are filled in, times in UTC", () => {
  assertEquals(
    fileName("feeds/{date}/{hour}-{minute}/{host}.{n}.ndjson", facts),
    "feeds/2024-02-29/23-59/feed.example.com.0001.ndjson",
  );
});

Deno.test("a field may come several times", () => {
  assertEquals(fileName("{hour}/{hour}", facts), "23/23");
});

Deno.test("no host leaves its place in the path", () => {
  const name = (host: string) => fileName("{host}/x", { ...facts, host });
  assertEquals(name("[::1]"), "___1_/x");
  assertEquals(name("../../etc"), ".._.._etc/x");
  assertEquals(name("a\\b"), "a_b/x");
  assertEquals(name(".."), "_/x");
});

Deno.test("the second file of a name has its number before the ending", () => {
  const second = (template: string) => fileName(template, { ...facts, n: 2 });
  assertEquals(second("feed.ndjson"), "feed.2.ndjson");
  assertEquals(second("feed"), "feed.2");
  assertEquals(second("a.b/feed"), "a.b/feed.2");
  assertEquals(second("a.b\\feed"), "a.b\\feed.2");
  assertEquals(second("feed.tar.gz"), "feed.tar.2.gz");
  assertEquals(second("{n}.ndjson"), "0002.ndjson");
});

Deno.test("all numbers of a name are different names", () => {
  for (const template of ["feed", "feed.x", "{n}", "{date}/{n}.x", ".hidden"]) {
    const names = Array.from(
      { length: 20 },
      (_, i) => fileName(template, { ...facts, n: i + 1 }),
    );
    assertEquals(new Set(names).size, 20, template);
  }
});

Deno.test("the folder of all its files is the part without fields", () => {
  const folders = {
    "feed.ndjson": ".",
    "{date}.ndjson": ".",
    "feeds/{date}/x": "feeds",
    "feeds/all-{date}/x": "feeds",
    "/var/feeds/x.ndjson": "/var/feeds",
    "/x": "/",
    "/{date}/x": "/",
    "./x": ".",
    "../{n}": "..",
    "a\\b\\{n}": "a\\b",
  };
  for (const [template, folder] of Object.entries(folders)) {
    assertEquals(templateFolder(template), folder, template);
  }
});
