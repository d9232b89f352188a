/**
 * Opens the file behind the queue, and sets a damaged one aside: under a name
 * that tells when, with all that belongs to it. What can be read of it goes into
 * a new one.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { dirname } from "node:path";
import { WSError, type WSErrorCode } from "../errors.ts";
import { nextTurn } from "./pump.ts";
import type { Item } from "./send_queue.ts";
import type { OpenSpool, Stored } from "./spool.ts";
import { SpoolFault, SqliteSpool } from "./spool_file.ts";
import { applyLog, faultOfLog, sizeOf } from "./spool_log.ts";

/** What SQLite may have put beside its file. */
const LOG = "-wal";
const COMPANIONS = [LOG, "-journal", "-shm"];
/** The times that the lock is tried, some milliseconds apart. */
const MOST_TRIES = 15;
/** A file up to this size is looked through as a whole. */
const QUICKLY_CHECKED = 2 * 1024 * 1024;
/** How long the event loop may be blocked at a time, in milliseconds. */
const LONGEST_BLOCK = 10;
/** https://www.sqlite.org/fileformat2.html#file_format_version_numbers */
const FORMAT_VERSIONS = 18;

/** Opens the spool, or begins a new one. See {@linkcode OpenSpool}. */
export const openSpool: OpenSpool = async (path, now, onDamaged, restore) => {
  if (!isAllowed(path)) {
    throw fatal(
      "PERMISSION",
      `Cannot open the spool ${path} without permission: run again with ` +
        `--allow-read=${path} --allow-write=${path}`,
    );
  }
  let fault: SpoolFault;
  try {
    return await openSound(path, restore);
  } catch (error) {
    if (!(error instanceof SpoolFault) || error.kind !== "damaged") {
      throw cannotOpen(path, error);
    }
    fault = error;
  }
  const salvaged = setAside(path, now, fault, onDamaged);
  try {
    await openNew(path, salvaged);
    return await openSound(path, restore);
  } catch (error) {
    throw cannotOpen(path, error);
  }
};

/** @throws {SpoolFault} it is damaged, in use or not ours */
async function openSound(
  path: string,
  restore: (stored: Stored) => Item,
): Promise<{ file: SqliteSpool; items: Item[] }> {
  const mayUseLog = isAllowed(path + LOG);
  // In this order: in a file that another process has begun meanwhile there are
  // messages before there is a log.
  const logSize = mayUseLog ? sizeOf(path + LOG) : 0;
  if (logSize > 0 && sizeOf(path) === 0) {
    throw new SpoolFault("damaged", "it is empty, and its log is not");
  }
  createPrivate(path);
  const file = await lock(path);
  try {
    if (file.hasLog) await checkLog(path, mayUseLog);
    file.prepare(mayUseLog);
    if (sizeOf(path) <= QUICKLY_CHECKED) file.check();
    return { file, items: await load(file, restore) };
  } catch (error) {
    file.abandon();
    throw error;
  }
}

async function checkLog(path: string, mayUseLog: boolean): Promise<void> {
  const folder = dirname(path);
  if (!mayUseLog) {
    // What SQLite cannot read of the log it deletes.
    throw new Error(
      "its log, which a process left that did not end in order, cannot be " +
        "checked without permission for its folder: run again with " +
        `--allow-read=${folder} --allow-write=${folder}`,
    );
  }
  const fault = await faultOfLog(path + LOG);
  if (fault !== undefined) throw new SpoolFault("damaged", fault);
}

/** SQLite would let others read it. Its other files get the same mode. */
function createPrivate(path: string): void {
  try {
    Deno.openSync(path, { createNew: true, write: true, mode: 0o600 }).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

/**
 * Of two that begin at the same moment each may be in the other's way: both let
 * go, and try again after a random time.
 */
async function lock(path: string): Promise<SqliteSpool> {
  for (let tries = 1;; tries++) {
    try {
      return new SqliteSpool(path);
    } catch (error) {
      const isLocked = error instanceof SpoolFault && error.kind === "locked";
      if (!isLocked || tries === MOST_TRIES) throw error;
    }
    await delay(1 + Math.random() * 5 * tries);
  }
}

/** Makes an item of each message, and lets the event loop run in between. */
async function load(
  file: SqliteSpool,
  restore: (stored: Stored) => Item,
): Promise<Item[]> {
  const items: Item[] = [];
  let count = 64;
  let after = 0;
  while (true) {
    const begun = performance.now();
    const found = file.read(after, count);
    for (const stored of found) items.push(restore(stored));
    if (found.length < count) return items;
    after = found.at(-1)?.row ?? after;
    const took = performance.now() - begun;
    if (took < LONGEST_BLOCK / 2) count *= 2;
    else if (took > LONGEST_BLOCK) count = Math.max(1, count >> 1);
    await new Promise<void>((resolve) => nextTurn(resolve));
  }
}

/** Puts into a new file what could be read of the old one. */
async function openNew(path: string, messages: readonly Stored[]) {
  createPrivate(path);
  const file = await lock(path);
  try {
    file.prepare(false);
    file.write(messages, []);
  } finally {
    file.close();
  }
}

/** Moves the file away, reports that, and returns what can be read of it. */
function setAside(
  path: string,
  now: number,
  fault: SpoolFault,
  onDamaged: (error: WSError) => void,
): Stored[] {
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
        `aside: ${textOf(cause)}`,
      cause,
    );
  }
  const messages = salvage(aside);
  onDamaged(
    new WSError(
      `The spool ${path} is damaged (${fault.message}): it was set aside as ` +
        `${aside}, and a new one begun with the ${messages.length} messages ` +
        "that could be read",
      { code: "SPOOL", severity: "transient", cause: fault },
    ),
  );
  return messages;
}

/** Reads a copy, so that what was set aside stays as it is. */
function salvage(aside: string): Stored[] {
  const copy = `${aside}.copy`;
  try {
    createPrivate(copy);
    if (sizeOf(aside) > 0) Deno.copyFileSync(aside, copy);
    else makeEmpty(copy);
    applyLog(aside + LOG, copy);
    withoutLog(copy);
    const file = new SqliteSpool(copy);
    try {
      return file.salvage();
    } finally {
      file.abandon();
    }
  } catch {
    // Nothing can be read of it.
    return [];
  } finally {
    for (const ending of ["", ...COMPANIONS]) removeIfThere(copy + ending);
  }
}

/** A log may hold all the pages of a database that has gone. */
function makeEmpty(path: string): void {
  const file = new SqliteSpool(path);
  file.prepare(false);
  file.close();
}

/** Says in the file's header that no log belongs to it. */
function withoutLog(path: string): void {
  using file = Deno.openSync(path, { write: true });
  file.seekSync(FORMAT_VERSIONS, Deno.SeekMode.Start);
  file.writeSync(new Uint8Array([1, 1]));
}

function renameIfThere(from: string, to: string): void {
  ifThere(() => Deno.renameSync(from, to));
}

function removeIfThere(path: string): void {
  ifThere(() => Deno.removeSync(path));
}

function ifThere(change: () => void): void {
  try {
    change();
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
    `Cannot open the spool ${path}: ${textOf(cause)}`,
    cause,
  );
}

function fatal(code: WSErrorCode, text: string, cause?: unknown): WSError {
  return new WSError(text, { code, severity: "fatal", cause });
}

function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
