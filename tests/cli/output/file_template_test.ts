import { assertEquals, assertThrows } from "@std/assert";
import {
  fileName,
  fileTemplate,
  templateFolder,
} from "../../../src/cli/output/file_template.ts";
import { UsageError } from "../../../src/cli/flags/values.ts";

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

Deno.test("a template that can be filled is taken as it is", () => {
  for (const template of ["x", "/a/{date}", "{host}{n}", "a}b", "{date"]) {
    assertEquals(fileTemplate(template), template);
  }
});

Deno.test("an unknown field is refused with those there are", () => {
  for (const field of ["day", "", "Date", "constructor", "date ", "n:4"]) {
    assertEquals(
      assertThrows(() => fileTemplate(`a{${field}}b`), UsageError).message,
      `must use only {date} {hour} {minute} {host} {n}, and not {${field}}`,
    );
  }
});

Deno.test("a template names a file, no folder", () => {
  for (const template of ["feeds/", "feeds\\", "/", "{date}/"]) {
    assertThrows(() => fileTemplate(template), UsageError, "must name a file");
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
