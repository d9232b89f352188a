import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { unicodeWidth } from "@std/cli/unicode-width";
import type { Key, KeyName } from "../../../src/cli/terminal/keys.ts";
import { LineEditor } from "../../../src/cli/terminal/line_editor.ts";
import { anyText } from "../../support/texts.ts";

const NAMES: readonly KeyName[] = [
  ...["backspace", "delete", "left", "right", "word-left"] as const,
  ...["word-right", "home", "end", "up", "down", "erase-line"] as const,
  ...["erase-rest", "erase-word", "enter", "end-of-input"] as const,
];

/** Types, and shows the line with a bar where the cursor is. */
function shown(editor: LineEditor, ...keys: readonly (KeyName | Key)[]) {
  for (const key of keys) {
    editor.onKey(typeof key === "string" ? { kind: key } : key);
  }
  const { text, column } = editor.render(40);
  return `${text.slice(0, column)}|${text.slice(column)}`;
}

function typed(text: string): Key {
  return { kind: "text", text };
}

Deno.test("a line is edited as in a shell", () => {
  const editor = new LineEditor();
  assertEquals(shown(editor, typed("one two")), "one two|");
  assertEquals(shown(editor, "word-left"), "one |two");
  assertEquals(shown(editor, "left", "backspace"), "on| two");
  assertEquals(shown(editor, typed("e"), "delete"), "one|two");
  assertEquals(shown(editor, "erase-rest"), "one|");
  assertEquals(shown(editor, typed(" a b"), "erase-word"), "one a |");
  assertEquals(shown(editor, "home", "word-right", "erase-line"), "| a ");
  assertEquals(shown(editor, "end", "right", "delete"), " a |");
});

Deno.test("enter gives the line, up and down bring lines back", () => {
  const editor = new LineEditor();
  for (const text of ["one", "two", "two"]) {
    editor.onKey(typed(text));
    assertEquals(editor.onKey({ kind: "enter" }), { kind: "line", text });
  }
  assertEquals(shown(editor, typed("draft"), "up"), "two|");
  assertEquals(shown(editor, "up", "up"), "one|");
  assertEquals(shown(editor, "down", "down"), "draft|");
});

Deno.test("Ctrl-D ends an empty line only, and deletes in others", () => {
  const editor = new LineEditor();
  assertEquals(editor.onKey({ kind: "end-of-input" }), { kind: "end" });
  assertEquals(shown(editor, typed("ab"), "home", "end-of-input"), "|b");
  assertEquals(editor.onKey({ kind: "interrupt" }), { kind: "interrupt" });
});

Deno.test("one backspace takes one character as people see it", () => {
  const editor = new LineEditor();
  assertEquals(shown(editor, typed("a👨‍👩‍👧"), "backspace"), "a|");
  const { column } = (shown(editor, typed("漢")), editor.render(40));
  assertEquals(column, 3);
});

Deno.test("control characters that were pasted are shown, not obeyed, and sent as they are", () => {
  const editor = new LineEditor();
  editor.onKey(typed("a\u009b2Jb"));
  assertEquals(editor.render(40).text, "a\\x9b2Jb");
  assertEquals(editor.onKey({ kind: "enter" }), {
    kind: "line",
    text: "a\u009b2Jb",
  });
});

Deno.test("whatever is typed, the cursor is within what fits", () => {
  const key: fc.Arbitrary<Key> = fc.oneof(
    anyText.map(typed),
    fc.constantFrom(...NAMES).map((kind): Key => ({ kind })),
  );
  fc.assert(
    fc.property(
      fc.array(key, { maxLength: 40 }),
      fc.integer({ min: 2, max: 30 }),
      (keys, width) => {
        const editor = new LineEditor();
        for (const each of keys) editor.onKey(each);
        const { text, column } = editor.render(width);
        // A character may be wider than what it is shown in.
        assert(column >= 0 && column <= unicodeWidth(text));
        assert(column < width);
        assert(unicodeWidth(text) <= width);
      },
    ),
  );
});
