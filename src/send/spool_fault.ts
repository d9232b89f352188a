/**
 * What SQLite's errors mean for a spool.
 *
 * @module
 */

// https://www.sqlite.org/rescode.html
const SQLITE_BUSY = 5;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;

/** Why a file cannot be a spool. */
export class SpoolFault extends Error {
  /**
   * - `unmarked`: it does not look like a spool
   * - `foreign`: it is another version's
   */
  readonly kind: "damaged" | "locked" | "unmarked" | "foreign";

  constructor(kind: SpoolFault["kind"], message: string, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
  }
}

/** The primary result code, if it is SQLite's error. */
function codeOf(cause: unknown): number | undefined {
  return cause instanceof Error && "errcode" in cause
    ? Number(cause.errcode) & 0xff
    : undefined;
}

export function notASpool(cause?: unknown): SpoolFault {
  return new SpoolFault("unmarked", "it is not a spool", cause);
}

/** A fault of the file, or the error with a text that says what to do. */
export function faultOf(cause: unknown): unknown {
  switch (codeOf(cause)) {
    case SQLITE_BUSY:
      return new SpoolFault("locked", "another client has it open", cause);
    case SQLITE_NOTADB:
      return notASpool(cause);
    case SQLITE_CORRUPT:
      return new SpoolFault("damaged", textOf(cause), cause);
    default:
      return described(cause);
  }
}

/** SQLite's own words do not say what is wrong with the file. */
export function described(cause: unknown): unknown {
  const meaning = meaningOf(codeOf(cause));
  return meaning === undefined
    ? cause
    : new Error(`${meaning} (${textOf(cause)})`, { cause });
}

function meaningOf(code: number | undefined): string | undefined {
  switch (code) {
    case SQLITE_READONLY:
      return "it is read-only";
    case SQLITE_FULL:
      return "the disk is full";
    case SQLITE_IOERR:
      return "the disk or the file does not take what is written";
    case SQLITE_CANTOPEN:
      return "it cannot be opened";
    default:
      return undefined;
  }
}

/** The text of whatever was thrown. */
export function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
