import { assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { type Key, KeyDecoder } from "../../../src/cli/terminal/keys.ts";
import { anyText, brokenText } from "../../support/texts.ts";

/** Keys as short words: their names, or the text in quotes. */
function decode(...reads: readonly (string | Uint8Array)[]): string[] {
  const decoder = new KeyDecoder();
  const utf8 = new TextEncoder();
  return reads.flatMap((read) =>
    decoder.decode(typeof read === "string" ? utf8.encode(read) : read)
  ).map(short);
}

function short(key: Key): string {
  return key.kind === "text" ? `"${key.text}"` : key.kind;
}

Deno.test("a run of characters is one text", () => {
  assertEquals(decode("hello, 世界 🌍"), ['"hello, 世界 🌍"']);
});

Deno.test("a bracketed paste is one text, with newlines and tabs", () => {
  assertEquals(decode("\x1b[200~{\r\n\t1\r}\x1b[201~"), ['"{\n\t1\n}"']);
  assertEquals(decode("a\x1b[200~b\x1b[201~c\r"), [
    ...['"a"', '"b"', '"c"', "enter"],
  ]);
  assertEquals(decode("\x1b[200~\x1b[201~"), []);
});

Deno.test("the newline at the end of a paste is not part of it", () => {
  assertEquals(decode("\x1b[200~one\r\x1b[201~"), ['"one"']);
  assertEquals(decode("\x1b[200~one\n\n\x1b[201~"), ['"one\n"']);
});

Deno.test("keys inside a paste are text, not keys", () => {
  assertEquals(decode("\x1b[200~a\x1b[Ab\x03\x1b[201~"), ['"a\x1b[Ab\x03"']);
});

Deno.test("a paste may come in any number of reads", () => {
  const paste = "x\x1b[200~one\rtwo\x1b[201~y";
  for (let at = 1; at < paste.length; at++) {
    const keys = decode(paste.slice(0, at), paste.slice(at));
    assertEquals(keys, ['"x"', '"one\ntwo"', '"y"'], `cut at ${at}`);
  }
  assertEquals(decode(...paste), ['"x"', '"one\ntwo"', '"y"']);
});

Deno.test("Tab is a tab, Alt-Enter a newline", () => {
  assertEquals(decode("a\tb"), ['"a"', '"\t"', '"b"']);
  assertEquals(decode("a\x1b\rb"), ['"a"', '"\n"', '"b"']);
});

Deno.test("the keys of Emacs and of shells are known", () => {
  const keys = {
    "\x01": "home",
    "\x02": "left",
    "\x03": "interrupt",
    "\x04": "end-of-input",
    "\x05": "end",
    "\x06": "right",
    "\x07": "cancel",
    "\b": "backspace",
    "\x7f": "backspace",
    "\x0b": "erase-rest",
    "\x0c": "clear-screen",
    "\x0e": "down",
    "\x10": "up",
    "\x12": "search",
    "\x15": "erase-line",
    "\x17": "erase-word",
    "\x1bb": "word-left",
    "\x1bf": "word-right",
    "\x1b\x7f": "erase-word",
    "\x1b\b": "erase-word",
    "\x19": "yank",
    "\x1bd": "erase-word-right",
    "\x1b[3;5~": "erase-word-right",
  };
  for (const [bytes, name] of Object.entries(keys)) {
    assertEquals(decode(bytes), [name], JSON.stringify(bytes));
  }
});

Deno.test("the arrows and their neighbours are known, in both modes of the cursor keys", () => {
  assertEquals(decode("\x1b[A\x1b[B\x1b[C\x1b[D"), [
    "up",
    "down",
    "right",
    "left",
  ]);
  assertEquals(decode("\x1bOA\x1bOB\x1bOC\x1bOD"), [
    "up",
    "down",
    "right",
    "left",
  ]);
  assertEquals(decode("\x1b[H\x1b[F\x1bOH\x1bOF"), [
    "home",
    "end",
    "home",
    "end",
  ]);
  assertEquals(decode("\x1b[1~\x1b[4~\x1b[3~"), ["home", "end", "delete"]);
  assertEquals(
    decode("\x1b[1;5C\x1b[1;5D\x1b[1;3C\x1b[1;3D"),
    ["word-right", "word-left", "word-right", "word-left"],
  );
});

Deno.test("keys that nobody knows do nothing, and leave nothing behind", () => {
  assertEquals(decode("a\x1b[15~b"), ['"a"', '"b"']);
  assertEquals(decode("\x1b[1;2Px"), ['"x"']);
  assertEquals(decode("\x1bx\x1bOZ\x00\x1f"), []);
  assertEquals(decode("\x1b🌍a"), ['"a"']);
});

Deno.test("the escape key alone cancels, once it is clear that no sequence follows", () => {
  assertEquals(decode("\x1b"), []);
  assertEquals(decode("\x1b", "b"), ["cancel", '"b"']);
  assertEquals(decode("\x1b", "\r"), ["cancel", "enter"]);
  assertEquals(decode("\x1b", "\x1b", "\x1b[A"), ["cancel", "cancel", "up"]);
  assertEquals(decode("\x1b\x1b[A"), ["cancel", "up"]);
});

Deno.test("an escape key that nothing follows is told when asked for", () => {
  const decoder = new KeyDecoder();
  const escape = new TextEncoder().encode("\x1b");
  assertEquals(decoder.isEscapePending, false);
  decoder.decode(escape);
  assertEquals(decoder.isEscapePending, true);
  assertEquals(decoder.decodePending(), [{ kind: "cancel" }]);
  assertEquals(decoder.isEscapePending, false);
  assertEquals(decoder.decodePending(), []);
  decoder.decode(new TextEncoder().encode("\x1b[200~\x1b"));
  assertEquals(decoder.isEscapePending, false);
});

Deno.test("a sequence may come in two reads", () => {
  assertEquals(decode("a\x1b[", "Ab"), ['"a"', "up", '"b"']);
  assertEquals(decode("\x1b[1;", "5", "C"), ["word-right"]);
  assertEquals(decode("\x1bO", "H"), ["home"]);
  assertEquals(decode("\x1b", "[A", "\x1b", "OB"), ["up", "down"]);
  assertEquals(decode("\x1b[20", "~"), []);
});

Deno.test("a character may come in two reads", () => {
  const [first, ...rest] = new TextEncoder().encode("世");
  assertEquals(
    decode(Uint8Array.of(first ?? 0), Uint8Array.from(rest)),
    ['"世"'],
  );
});

Deno.test("a word that every object knows is a text as any other", () => {
  for (const word of Object.getOwnPropertyNames(Object.prototype)) {
    assertEquals(decode(word), [`"${word}"`]);
  }
});

Deno.test("text without controls comes through whole, however it is cut", () => {
  fc.assert(fc.property(anyText, fc.array(fc.nat(100)), (any, cuts) => {
    const text = any.replaceAll(/\p{Cc}/gu, "");
    const bytes = new TextEncoder().encode(text);
    const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length]
      .sort((a, b) => a - b);
    const decoder = new KeyDecoder();
    const keys = at.flatMap((from, i) =>
      decoder.decode(bytes.subarray(from, at[i + 1]))
    );
    assertEquals(
      keys.map((key) => key.kind === "text" ? key.text : key.kind).join(""),
      text,
    );
  }));
});

Deno.test("whatever is typed, no control character but tab and newline is text", () => {
  fc.assert(fc.property(brokenText, (typed) => {
    for (
      const key of new KeyDecoder().decode(new TextEncoder().encode(typed))
    ) {
      if (key.kind === "text") {
        assertMatch(key.text, /^([^\p{Cc}\p{Cs}]+|\t|\n)$/u);
      } else assertMatch(key.kind, /^[a-z-]+$/);
    }
  }));
});
