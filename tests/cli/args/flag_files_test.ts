import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  readFlagFile,
  readFlagText,
  textOf,
} from "../../../src/cli/args/flag_files.ts";
import { UsageError } from "../../../src/cli/args/values.ts";

/** Asks about a file with these bytes. */
function withFile<T>(content: string | number[], ask: (path: string) => T): T {
  const path = Deno.makeTempFileSync();
  const bytes = typeof content === "string"
    ? new TextEncoder().encode(content)
    : Uint8Array.from(content);
  try {
    Deno.writeFileSync(path, bytes);
    return ask(path);
  } finally {
    Deno.removeSync(path);
  }
}

function textIn(content: string | number[]): string {
  return withFile(content, (path) => readFlagText("--ca", path));
}

Deno.test("the newline that editors put at the end of a file does not count", () => {
  assertEquals(textIn("token\n"), "token");
  assertEquals(textIn("token\r\n"), "token");
  assertEquals(textIn("token"), "token");
});

Deno.test("all other newlines and spaces count", () => {
  assertEquals(textIn("a\nb\n\n"), "a\nb\n");
  assertEquals(textIn(" a \n"), " a ");
  assertEquals(textIn("a\r"), "a\r");
  assertEquals(textIn(""), "");
});

Deno.test("bytes come as they are", () => {
  const bytes = [0xff, 0x00, 0x0a];
  assertEquals(
    withFile(bytes, (path) => readFlagFile("--on-open", path)),
    Uint8Array.from(bytes),
  );
});

Deno.test("what is no UTF-8 is no text, and is told with flag and file", () => {
  withFile([0xff], (path) =>
    assertThrows(
      () => readFlagText("--ca", path),
      UsageError,
      `--ca must be UTF-8 text: ${path} is not`,
    ));
});

Deno.test("a file that cannot be read is told with flag, file and reason", () => {
  const { message } = assertThrows(
    () => readFlagText("--cert", "there/is/none"),
    UsageError,
  );
  assertMatch(message, /^--cert cannot be read from there\/is\/none: No such/);
});

Deno.test("a text is itself, a file is what it holds", () => {
  assertEquals(textOf("--ping", { text: "@x\n" }), "@x\n");
  withFile(
    "ping\n",
    (file) => assertEquals(textOf("--ping", { file }), "ping"),
  );
});
