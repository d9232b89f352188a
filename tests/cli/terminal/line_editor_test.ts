import { assert, assertEquals } from "@std/assert";
import { unicodeWidth } from "@std/cli/unicode-width";
import type { Key, KeyName } from "../../../src/cli/terminal/keys.ts";
import {
  type EditorEvent,
  LineEditor,
} from "../../../src/cli/terminal/line_editor.ts";
import { anyText } from "../../support/texts.ts";
import fc from "fast-check";

/** An editor and what its keys led to; words are keys, quoted ones are typed. */
function press(
  keys: string,
  editor: LineEditor = new LineEditor(),
): { editor: LineEditor; events: EditorEvent[] } {
  const events = [...keys.matchAll(/'([^']*)'|(\S+)/g)]
    .map(([, text, name]): Key =>
      text === undefined ? { kind: keyName(name) } : { kind: "text", text }
    )
    .flatMap((key) => editor.onKey(key) ?? []);
  return { editor, events };
}

const NAMES: readonly KeyName[] = [
  "enter",
  "backspace",
  "delete",
  "left",
  "right",
  "word-left",
  "word-right",
  "home",
  "end",
  "up",
  "down",
  "erase-line",
  "erase-rest",
  "erase-word",
  "erase-word-right",
  "yank",
  "clear-screen",
  "search",
  "cancel",
  "interrupt",
  "end-of-input",
];

function keyName(word: string | undefined): KeyName {
  const name = NAMES.find((name) => name === word);
  if (name === undefined) throw new Error(`no key ${word}`);
  return name;
}

/** The line with a | for the cursor. */
function line(keys: string, editor?: LineEditor): string {
  const pressed = press(keys, editor);
  const { text, column } = pressed.editor.render(1000);
  // Of one column each, so that columns are characters.
  return `${text.slice(0, column)}|${text.slice(column)}`;
}

/** The lines that were entered. */
function entered(keys: string): string[] {
  return press(keys).events.map((event) =>
    event.kind === "line" ? event.text : event.kind
  );
}

Deno.test("what is typed is inserted at the cursor", () => {
  assertEquals(line("'hello'"), "hello|");
  assertEquals(line("'held' left 'lo wor'"), "hello wor|d");
  assertEquals(line(""), "|");
});

Deno.test("the cursor goes by characters and words, and not beyond the ends", () => {
  assertEquals(line("'ab' left"), "a|b");
  assertEquals(line("'ab' left left left"), "|ab");
  assertEquals(line("'ab' home right"), "a|b");
  assertEquals(line("'ab' right"), "ab|");
  assertEquals(line("'ab' home end"), "ab|");
  assertEquals(line("'a bc  de ' word-left"), "a bc  |de ");
  assertEquals(line("'a bc  de ' word-left word-left"), "a |bc  de ");
  assertEquals(line("'a bc' word-left word-left word-left"), "|a bc");
  assertEquals(line("'  ' word-left"), "|  ");
  assertEquals(line("'a bc  de' home word-right"), "a| bc  de");
  assertEquals(line("'a bc  de' home word-right word-right"), "a bc|  de");
  assertEquals(
    line("'a bc' home word-right word-right word-right"),
    "a bc|",
  );
});

Deno.test("erasing takes characters, words, what is before and what is behind", () => {
  assertEquals(line("'abc' left backspace"), "a|c");
  assertEquals(line("'abc' left delete"), "ab|");
  assertEquals(line("'abc' home backspace"), "|abc");
  assertEquals(line("'abc' home delete"), "|bc");
  assertEquals(line("'abc' delete"), "abc|");
  assertEquals(line("'abc' left erase-line"), "|c");
  assertEquals(line("'abc' left erase-rest"), "ab|");
  assertEquals(line("'a bc  ' erase-word"), "a |");
  assertEquals(line("'a bc' left erase-word"), "a |c");
  assertEquals(line("erase-word erase-line erase-rest backspace"), "|");
});

Deno.test("one backspace takes what a person sees as one character", () => {
  for (const character of ["é", "e\u0301", "👨‍👩‍👧", "🇩🇪", "世"]) {
    assertEquals(line(`'a${character}' backspace`), "a|", character);
  }
});

Deno.test("enter gives the line and begins a new one", () => {
  const { editor, events } = press("'hello' left enter");
  assertEquals(events, [{ kind: "line", text: "hello" }]);
  assertEquals(line("", editor), "|");
  assertEquals(entered("enter 'x' enter"), ["", "x"]);
});

Deno.test("Ctrl-D ends an empty line's input, and deletes in another one", () => {
  assertEquals(press("end-of-input").events, [{ kind: "end" }]);
  assertEquals(press("'a' left end-of-input").events, []);
  assertEquals(line("'abc' home end-of-input"), "|bc");
  assertEquals(entered("'a' backspace end-of-input"), ["end"]);
});

Deno.test("interrupt and clear-screen are told, and leave the line", () => {
  const { editor, events } = press("'a' interrupt clear-screen");
  assertEquals(events, [{ kind: "interrupt" }, { kind: "clear-screen" }]);
  assertEquals(line("", editor), "a|");
});

Deno.test("up and down go through what was entered, and back to what was begun", () => {
  const { editor } = press("'one' enter 'two' enter 'dra' left");
  assertEquals(line("up", editor), "two|");
  assertEquals(line("up", editor), "one|");
  assertEquals(line("up", editor), "one|");
  assertEquals(line("down", editor), "two|");
  assertEquals(line("down", editor), "dra|");
  assertEquals(line("down", editor), "dra|");
});

Deno.test("a line from the past can be changed and entered, the past stays", () => {
  const keys = "'one' enter up 's' enter up up enter";
  assertEquals(entered(keys), ["one", "ones", "one"]);
});

Deno.test("what was begun before a line from the past was entered is gone", () => {
  assertEquals(line("'one' enter 'draft' up enter down"), "|");
});

Deno.test("neither an empty line nor the same one twice is remembered", () => {
  const { editor } = press("'x' enter 'a' enter 'a' enter enter 'b' enter");
  assertEquals(line("up up", editor), "a|");
  assertEquals(line("up", editor), "x|");
});

Deno.test("the last five hundred lines are remembered", () => {
  const { editor } = press(
    Array.from({ length: 501 }, (_, i) => `'${i}' enter`).join(" "),
  );
  assertEquals(line("up ".repeat(499), editor), "2|");
  assertEquals(line("up", editor), "1|");
  assertEquals(line("up", editor), "1|");
});

Deno.test("control characters in a line are shown, and sent as they are", () => {
  const editor = new LineEditor();
  editor.onKey({ kind: "text", text: "a\u202eb\x9b" });
  assertEquals(editor.render(100).text, String.raw`a\u202eb\x9b`);
  assertEquals(press("enter", editor).events, [
    { kind: "line", text: "a\u202eb\x9b" },
  ]);
});

Deno.test("a tab and a newline take one column each, and are kept", () => {
  const editor = new LineEditor();
  editor.onKey({ kind: "text", text: "{\n\t1\n}" });
  assertEquals(editor.render(100), { text: "{↵⇥1↵}", column: 6 });
  assertEquals(press("enter", editor).events, [
    { kind: "line", text: "{\n\t1\n}" },
  ]);
});

Deno.test("Ctrl-Y puts in again what was erased last by more than a character", () => {
  assertEquals(line("'one two' erase-word yank yank"), "one twotwo|");
  assertEquals(line("'one' erase-line 'two ' yank"), "two one|");
  assertEquals(line("'abc' left left erase-rest home yank"), "bc|a");
  assertEquals(
    line("'abc' erase-line backspace delete erase-line yank"),
    "abc|",
  );
  assertEquals(line("yank"), "|");
});

Deno.test("Alt-D erases the word to the right", () => {
  assertEquals(line("'one two' home erase-word-right"), "| two");
  assertEquals(line("'one two' home erase-word-right yank end"), "one two|");
  assertEquals(line("'one' erase-word-right"), "one|");
});

/** An editor that has a history, and what it is searched for. */
function search(
  keys: string,
  history: readonly string[] = ["one", "two", "one and a half"],
) {
  const { editor, events } = press(keys, new LineEditor(history));
  return { shown: editor.render(200).text, events, editor };
}

Deno.test("Ctrl-R finds the latest line that has what is typed, then earlier ones", () => {
  assertEquals(search("search 'n'").shown, 'search "n": one and a half');
  assertEquals(search("search 'ne' search").shown, 'search "ne": one');
  assertEquals(
    search("search 'ne' 'x'").shown,
    'no line has "nex": one and a half',
  );
  assertEquals(search("search 'tw'").shown, 'search "tw": two');
  assertEquals(search("search 'tx' backspace 'w'").shown, 'search "tw": two');
  assertEquals(
    search("search 'ne' search search").shown,
    'no line has "ne": one',
  );
});

Deno.test("Enter takes what was found, other keys edit it", () => {
  assertEquals(search("search 'tw' enter").events, [{
    kind: "line",
    text: "two",
  }]);
  assertEquals(search("search 'tw' end 's'").shown, "twos");
  assertEquals(search("search 'tw' up").shown, "one");
  assertEquals(search("search 'tw' down").shown, "one and a half");
});

Deno.test("cancel gives back what was typed before the search", () => {
  assertEquals(search("'draft' search 'tw' cancel").shown, "draft");
  assertEquals(search("'draft' search 'tw' up down down down").shown, "draft");
  assertEquals(search("'draft' search").shown, 'search "": draft');
  assertEquals(
    search("'draft' search 'tw' backspace backspace").shown,
    'search "": draft',
  );
});

Deno.test("a search through an empty history finds nothing and breaks nothing", () => {
  assertEquals(search("search 'x' search", []).shown, 'no line has "x": ');
  assertEquals(search("search 'x' enter", []).events, [{
    kind: "line",
    text: "",
  }]);
});

Deno.test("the history begins with the lines of earlier runs", () => {
  const remembered: string[] = [];
  const editor = new LineEditor(
    ["one", "two"],
    (line) => remembered.push(line),
  );
  assertEquals(line("up up", editor), "one|");
  press("enter 'three' enter 'three' enter", editor);
  assertEquals(remembered, ["one", "three"]);
});

Deno.test("a line that begins with a space is not remembered", () => {
  const remembered: string[] = [];
  const editor = new LineEditor([], (line) => remembered.push(line));
  press("' secret' enter '  ' enter 'plain' enter", editor);
  assertEquals(remembered, ["plain"]);
  assertEquals(line("up up", editor), "plain|");
});

Deno.test("the part around the cursor is shown, with a column for the cursor", () => {
  const { editor } = press("'abcdefgh'");
  assertEquals(editor.render(5), { text: "efgh", column: 4 });
  press("home", editor);
  assertEquals(editor.render(5), { text: "abcd", column: 0 });
  press("right right", editor);
  assertEquals(editor.render(5), { text: "abcd", column: 2 });
  assertEquals(editor.render(9), { text: "abcdefgh", column: 2 });
});

Deno.test("a text of megabytes can be pasted, before and behind another one", () => {
  const editor = new LineEditor();
  const text = "{}".repeat(500_000);
  editor.onKey({ kind: "text", text: "ab" });
  editor.onKey({ kind: "left" });
  editor.onKey({ kind: "text", text });
  assertEquals(editor.render(20).text, "…}{}{}{}{}{}{}{}{}b");
  assertEquals(editor.onKey({ kind: "enter" }), {
    kind: "line",
    text: `a${text}b`,
  });
});

Deno.test("marks show where a long line goes on, and some of what follows", () => {
  const { editor } = press("'abcdefghijklmnopqrstuvwxyz'");
  const view = () => {
    const { text, column } = editor.render(17);
    return `${text.slice(0, column)}|${text.slice(column)}`;
  };
  assertEquals(view(), "…lmnopqrstuvwxyz|");
  press("left left", editor);
  assertEquals(view(), "…lmnopqrstuvwx|yz");
  press("left ".repeat(12), editor);
  assertEquals(view(), "…cdefghijkl|mnop…");
  press("left ".repeat(4), editor);
  assertEquals(view(), "abcdefgh|ijklmno…");
  press("home", editor);
  assertEquals(view(), "|abcdefghijklmno…");
});

Deno.test("wide characters take two columns", () => {
  const { editor } = press("'a世界b' left");
  assertEquals(editor.render(10), { text: "a世界b", column: 5 });
  assertEquals(editor.render(5), { text: "世界", column: 4 });
  assertEquals(editor.render(4), { text: "界b", column: 2 });
});

Deno.test("a grapheme takes two columns, of however many characters it is", () => {
  const { editor } = press("'a👍🏻\u3000🏻b'");
  assertEquals(editor.render(7), { text: "a👍🏻\u3000🏻b", column: 6 });
  assertEquals(editor.render(6), { text: "👍🏻\u3000🏻b", column: 5 });
});

/** Terminals draw a grapheme, of however many code points, in two at most. */
function columns(text: string): number {
  return [...new Intl.Segmenter().segment(text)]
    .reduce((sum, { segment }) => sum + Math.min(2, unicodeWidth(segment)), 0);
}

const key: fc.Arbitrary<Key> = fc.oneof(
  anyText.filter((text) => text !== "")
    .map((text): Key => ({ kind: "text", text })),
  fc.constantFrom(...NAMES).map((kind): Key => ({ kind })),
);

Deno.test("whatever is pressed, what is shown fits and the cursor is in it", () => {
  fc.assert(
    fc.property(
      fc.array(key),
      fc.integer({ min: 2, max: 60 }),
      (keys, width) => {
        const editor = new LineEditor();
        for (const each of keys) {
          editor.onKey(each);
          const { text, column } = editor.render(width);
          const shown = columns(text);
          assert(shown < width, `${shown} of ${width} columns`);
          assert(column >= 0 && column <= unicodeWidth(text));
          assert(!/\p{Cc}/u.test(text));
        }
      },
    ),
  );
});

Deno.test("a line is what is before and what is behind the cursor, nothing is lost", () => {
  const moves = fc.constantFrom<Key>(
    ...["left", "right", "home", "end", "word-left", "word-right"]
      .map((name): Key => ({ kind: keyName(name) })),
  );
  const letters = fc.stringMatching(/^[a-z ]{1,5}$/)
    .map((text): Key => ({ kind: "text", text }));
  fc.assert(fc.property(fc.array(fc.oneof(moves, letters)), (keys) => {
    const editor = new LineEditor();
    const typed = keys.flatMap((key) => key.kind === "text" ? key.text : []);
    for (const each of keys) editor.onKey(each);
    const event = editor.onKey({ kind: "enter" });
    assert(event?.kind === "line");
    assertEquals(
      [...event.text].sort().join(""),
      [...typed.join("")].sort().join(""),
    );
  }));
});
