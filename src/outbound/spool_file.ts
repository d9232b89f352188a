/**
 * Opens the file behind the queue: asks for the permissions it takes, and sets
 * a damaged file aside, under a name that tells when.
 *
 * @module
 */

import { dirname } from "node:path";
import { WSError, type WSErrorCode } from "../errors.ts";
import { Spool, SpoolFault, type Stored } from "./spool.ts";

/** A spool, and what was in it. */
export interface OpenSpool {
  readonly spool: Spool;
  readonly stored: Stored[];
}

/** What SQLite may have put beside its file. */
const COMPANIONS = ["-wal", "-journal", "-shm"];
/** How a log begins: https://www.sqlite.org/fileformat2.html#walformat */
const LOG_MAGIC = [0x377f0682, 0x377f0683];

/**
 * Opens the spool. A damaged file is moved away and reported, and a new one
 * begun.
 * @throws {WSError} `PERMISSION`; `SPOOL`, fatal, when it cannot be opened
 */
export function openSpool(
  path: string,
  now: number,
  onDamaged: (error: WSError) => void,
): OpenSpool {
  if (!isAllowed(path)) {
    throw fatal(
      "PERMISSION",
      `Cannot open the spool ${path} without permission: run again with ` +
        `--allow-read=${path} --allow-write=${path}`,
    );
  }
  try {
    return openOnce(path);
  } catch (error) {
    if (!(error instanceof SpoolFault) || error.kind !== "damaged") {
      throw cannotOpen(path, error);
    }
    onDamaged(setAside(path, now, error));
  }
  try {
    return openOnce(path);
  } catch (error) {
    throw cannotOpen(path, error);
  }
}

/** Opens and reads: a file may turn out to be damaged only then. */
function openOnce(path: string): OpenSpool {
  checkLog(path);
  const spool = new Spool(path);
  try {
    return { spool, stored: spool.load() };
  } catch (error) {
    spool.close();
    throw error;
  }
}

/**
 * SQLite takes a log that it cannot read, or that has lost its database, for an
 * old one, and deletes it. What a killed process had accepted may be in it.
 */
function checkLog(path: string): void {
  const log = `${path}-wal`;
  if (!isAllowed(log) || sizeOf(log) === 0) return;
  if (sizeOf(path) === 0) {
    throw new SpoolFault("damaged", "it is empty, and its log is not");
  }
  if (!LOG_MAGIC.includes(firstWord(log))) {
    throw new SpoolFault("damaged", "its log is not as it was written");
  }
}

function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

function firstWord(path: string): number {
  using file = Deno.openSync(path);
  const bytes = new Uint8Array(4);
  file.readSync(bytes);
  return new DataView(bytes.buffer).getUint32(0);
}

function setAside(path: string, now: number, fault: SpoolFault): WSError {
  const stamp = new Date(now).toISOString().replaceAll(":", "-");
  const aside = `${path}.damaged-${stamp}`;
  const folder = dirname(path);
  if (!isAllowed(aside)) {
    throw fatal(
      "SPOOL",
      `The spool ${path} is damaged (${fault.message}), and setting it aside ` +
        "takes permission for its folder: run again with " +
        `--allow-read=${folder} --allow-write=${folder}`,
      fault,
    );
  }
  try {
    for (const ending of ["", ...COMPANIONS]) {
      renameIfThere(path + ending, aside + ending);
    }
  } catch (cause) {
    throw fatal(
      "SPOOL",
      `The spool ${path} is damaged (${fault.message}), and cannot be set ` +
        `aside: ${describe(cause)}`,
      cause,
    );
  }
  return new WSError(
    `The spool ${path} is damaged (${fault.message}): it was set aside as ` +
      `${aside}, and a new one begun`,
    { code: "SPOOL", severity: "transient", cause: fault },
  );
}

function renameIfThere(from: string, to: string): void {
  try {
    Deno.renameSync(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Asked beforehand: on a terminal Deno would begin a dialogue. */
function isAllowed(path: string): boolean {
  return (["read", "write"] as const).every((name) =>
    Deno.permissions.querySync({ name, path }).state === "granted"
  );
}

function cannotOpen(path: string, cause: unknown): WSError {
  return fatal(
    "SPOOL",
    `Cannot open the spool ${path}: ${describe(cause)}`,
    cause,
  );
}

function fatal(code: WSErrorCode, text: string, cause?: unknown): WSError {
  return new WSError(text, { code, severity: "fatal", cause });
}

function describe(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
