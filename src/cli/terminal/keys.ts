/**
 * From the bytes of a terminal in raw mode to keys.
 *
 * `node:readline` cannot serve here: on Deno it splits a bracketed paste into
 * lines, and it has no search through the history.
 *
 * @module
 */

/** A key, or a run of typed text. */
export type Key =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: KeyName };

/** A key that is not text. */
export type KeyName =
  | "enter"
  | "backspace"
  | "delete"
  | "left"
  | "right"
  | "word-left"
  | "word-right"
  | "home"
  | "end"
  | "up"
  | "down"
  | "erase-line"
  | "erase-rest"
  | "erase-word"
  | "erase-word-right"
  | "yank"
  | "clear-screen"
  | "search"
  | "cancel"
  | "interrupt"
  | "suspend"
  | "end-of-input";

const SEQUENCES: Readonly<Record<string, KeyName>> = {
  "\r": "enter",
  "\n": "enter",
  "\x7f": "backspace",
  "\b": "backspace",
  "\x01": "home",
  "\x02": "left",
  "\x03": "interrupt",
  "\x04": "end-of-input",
  "\x05": "end",
  "\x06": "right",
  "\x07": "cancel",
  "\x0b": "erase-rest",
  "\x0c": "clear-screen",
  "\x0e": "down",
  "\x10": "up",
  "\x12": "search",
  "\x15": "erase-line",
  "\x17": "erase-word",
  "\x19": "yank",
  "\x1a": "suspend",
  "\x1b[A": "up",
  "\x1b[B": "down",
  "\x1b[C": "right",
  "\x1b[D": "left",
  "\x1b[F": "end",
  "\x1b[H": "home",
  "\x1bOA": "up",
  "\x1bOB": "down",
  "\x1bOC": "right",
  "\x1bOD": "left",
  "\x1bOF": "end",
  "\x1bOH": "home",
  "\x1b[1~": "home",
  "\x1b[3~": "delete",
  "\x1b[4~": "end",
  "\x1b[7~": "home",
  "\x1b[8~": "end",
  "\x1b[1;5C": "word-right",
  "\x1b[1;5D": "word-left",
  "\x1b[1;3C": "word-right",
  "\x1b[1;3D": "word-left",
  "\x1b[3;5~": "erase-word-right",
  "\x1bb": "word-left",
  "\x1bd": "erase-word-right",
  "\x1bf": "word-right",
  "\x1b\x7f": "erase-word",
  "\x1b\b": "erase-word",
  "\x1b": "cancel",
};

/** Texts that are typed by a key of their own. */
const TEXTS: Readonly<Record<string, string>> = {
  "\t": "\t",
  // Alt-Enter: the way to type a message of several lines.
  "\x1b\r": "\n",
};

const ESC = "\x1b";
const PASTE_START = `${ESC}[200~`;
const PASTE_END = `${ESC}[201~`;

/** An escape sequence, one control character, or a run of text. */
const PART = new RegExp(
  `${ESC}\\[[0-9;?]*[ -/]*[@-~]|${ESC}O[A-Z]|${ESC}[^[O${ESC}]|\\p{Cc}|\\P{Cc}+`,
  "gsu",
);

/** A sequence that the next read may complete. */
const INCOMPLETE = new RegExp(`${ESC}(\\[[0-9;?]*[ -/]*|O)?$`);

/** Splits the terminal's bytes into keys; a sequence may come in two reads. */
export class KeyDecoder {
  readonly #utf8 = new TextDecoder();
  /** The start of a sequence, or of a paste. */
  #rest = "";
  #isPaste = false;

  /** The keys that are complete. Unknown sequences are left out. */
  decode(bytes: Uint8Array): Key[] {
    const text = this.#utf8.decode(bytes, { stream: true });
    // An Escape alone was the key of that name, if no sequence follows it.
    const isKey = this.#rest === ESC && !/^[[O]/.test(text);
    const keys: Key[] = isKey ? [{ kind: "cancel" }] : [];
    let rest = isKey ? text : this.#rest + text;
    for (;;) {
      const mark = this.#isPaste ? PASTE_END : PASTE_START;
      const at = rest.indexOf(mark);
      if (at < 0) break;
      const part = rest.slice(0, at);
      keys.push(...this.#isPaste ? pasted(part) : typed(part));
      rest = rest.slice(at + mark.length);
      this.#isPaste = !this.#isPaste;
    }
    if (!this.#isPaste) {
      const [incomplete = ""] = INCOMPLETE.exec(rest) ?? [];
      keys.push(...typed(rest.slice(0, rest.length - incomplete.length)));
      rest = incomplete;
    }
    this.#rest = rest;
    return keys;
  }

  /** Whether an Escape came last: a key, or the start of a sequence. */
  get isEscapePending(): boolean {
    return !this.#isPaste && this.#rest === ESC;
  }

  /** Takes a pending Escape for the key of that name. */
  decodePending(): Key[] {
    if (!this.isEscapePending) return [];
    this.#rest = "";
    return [{ kind: "cancel" }];
  }
}

/** Terminals send a carriage return for each newline of a paste. */
function pasted(raw: string): Key[] {
  const text = raw.replace(/\r\n?/g, "\n").replace(/\n$/, "");
  return text === "" ? [] : [{ kind: "text", text }];
}

function typed(text: string): Key[] {
  return [...text.matchAll(PART)].flatMap(([part]): Key[] => {
    // Any object has a "constructor".
    if (Object.hasOwn(SEQUENCES, part)) {
      const kind = SEQUENCES[part];
      return kind === undefined ? [] : [{ kind }];
    }
    const text = Object.hasOwn(TEXTS, part) ? TEXTS[part] : undefined;
    if (text !== undefined) return [{ kind: "text", text }];
    return /^\p{Cc}/u.test(part) ? [] : [{ kind: "text", text: part }];
  });
}
