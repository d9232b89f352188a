/**
 * From the bytes of a terminal in raw mode to keys.
 *
 * @module
 */

/** What was pressed. */
export type Key =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: KeyName };

/** A key that is no text. */
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
  | "clear-screen"
  | "interrupt"
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
  "\x0b": "erase-rest",
  "\x0c": "clear-screen",
  "\x0e": "down",
  "\x10": "up",
  "\x15": "erase-line",
  "\x17": "erase-word",
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
  "\x1b[1;5C": "word-right",
  "\x1b[1;5D": "word-left",
  "\x1b[1;3C": "word-right",
  "\x1b[1;3D": "word-left",
  "\x1bb": "word-left",
  "\x1bf": "word-right",
  "\x1b\x7f": "erase-word",
};

/** An escape sequence, one control character, or a run of text. */
const PART =
  // deno-lint-ignore no-control-regex -- control characters are the point
  /\x1b\[[0-9;?]*[ -/]*[@-~]|\x1bO[A-Z]|\x1b[^[O\x1b]|\x1b|[\x00-\x1f\x7f]|[^\x00-\x1f\x7f]+/gsu;

/** A sequence that the next read may complete. */
// deno-lint-ignore no-control-regex -- control characters are the point
const INCOMPLETE = /\x1b(\[[0-9;?]*[ -/]*|O)?$/;

/** Takes the terminal's bytes apart; a sequence may come in two reads. */
export class KeyDecoder {
  readonly #utf8 = new TextDecoder();
  #rest = "";

  /** The keys that are complete. Sequences nobody knows are left out. */
  decode(bytes: Uint8Array): Key[] {
    const more = this.#utf8.decode(bytes, { stream: true });
    // An Escape alone was the key of that name, which means nothing here.
    const isKey = this.#rest === "\x1b" && !/^[[O]/.test(more);
    const text = isKey ? more : this.#rest + more;
    const [rest = ""] = INCOMPLETE.exec(text) ?? [];
    this.#rest = rest;
    const complete = text.slice(0, text.length - rest.length);
    return [...complete.matchAll(PART)].flatMap(([part]) => keyOf(part));
  }
}

function keyOf(part: string): Key[] {
  // Somebody may paste "constructor".
  const name = Object.hasOwn(SEQUENCES, part) ? SEQUENCES[part] : undefined;
  if (name !== undefined) return [{ kind: name }];
  // deno-lint-ignore no-control-regex -- control characters are the point
  return /^[\x00-\x1f\x7f]/.test(part) ? [] : [{ kind: "text", text: part }];
}
