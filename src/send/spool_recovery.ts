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
import type { Item } from "./send_queue.ts";
import {
  SCHEMA_MARK,
  SpoolFault,
  type SpoolFile,
  SqliteSpool,
  type Stored,
} from "./spool_file.ts";
import { applyLog, faultOfLog, sizeOf } from "./spool_log.ts";
import { nextTurn } from "./turns.ts";

/**
 * Opens the file and makes an item of each message in it, in order.
 * @throws {WSError} `PERMISSION` or `SPOOL`, fatal
 */
export type OpenSpool = (
  path: string,
  now: number,
  onDamaged: (error: WSError) => void,
  restore: (stored: Stored) => Item,
) => Promise<{ readonly file: SpoolFile; readonly items: readonly Item[] }>;

/** What SQLite may have put beside its file. */
const LOG = "-wal";
const COMPANIONS = [LOG, "-journal", "-shm"];
/** The times that the lock is tried, some milliseconds apart. */
const MOST_TRIES = 15;
/** A file up to this size is looked through as a whole. */
const QUICKLY_CHECKED = 2 * 1024 * 1024;
/** How long the event loop may be blocked at a time, in milliseconds. */
const LONGEST_BLOCK = 10;
// https://www.sqlite.org/fileformat2.html#the_database_header
const PAGE_SIZE = 4096;
const FORMAT_VERSIONS = 18;
const PAGE_COUNT = 28;

/** Opens the spool, or begins a new one. See {@linkcode OpenSpool}. */
export const openSpool: OpenSpool = async (path, now, onDamaged, restore) => {
  if (!isAllowed(path)) {
    throw fatal(
      "PERMISSION",
      `Cannot open the spool ${path} without permission: run again with ` +
        `--allow-read=${path} --allow-write=${path}`,
    );
  }
  const stamp = new Date(now).toISOString().replaceAll(":", "-");
  const aside = `${path}.damaged-${stamp}`;
  try {
    return await openSound(path, aside, restore);
  } catch (fault) {
    if (!(fault instanceof SpoolFault) || !isDamage(fault, aside)) {
      throw fault instanceof WSError ? fault : cannotOpen(path, fault);
    }
    const messages = salvage(aside);
    const text =
      `The spool ${path} is damaged (${fault.message}): it was set ` +
      `aside as ${aside}, and a new one begun with the ${messages.length} ` +
      "messages that could be read";
    const error = {
      code: "SPOOL",
      severity: "transient",
      cause: fault,
    } as const;
    onDamaged(new WSError(text, error));
    return await openNew(path, aside, messages, restore);
  }
};

/** A file without the marks of a spool may be one whose header is damaged. */
function isDamage({ kind }: SpoolFault, path: string): boolean {
  switch (kind) {
    case "damaged":
      return true;
    case "unmarked":
      return sizeOf(path) > 0 &&
        new TextDecoder().decode(firstPage(path)).includes(SCHEMA_MARK);
    case "foreign":
    case "locked":
      return false;
    default:
      return kind satisfies never;
  }
}

/**
 * Opens a file that is not damaged; a damaged one is moved away.
 * @throws {SpoolFault} it is damaged, in use or not ours
 */
async function openSound(
  path: string,
  aside: string,
  restore: (stored: Stored) => Item,
): Promise<{ file: SqliteSpool; items: Item[] }> {
  const mayUseLog = isAllowed(path + LOG) && isAllowed(aside);
  // In this order: in a file that another process has begun meanwhile there are
  // messages before there is a log.
  const logSize = mayUseLog ? sizeOf(path + LOG) : 0;
  if (logSize > 0 && sizeOf(path) === 0) {
    moveAside(path, aside);
    throw new SpoolFault("damaged", "it is empty, and its log is not");
  }
  createPrivate(path);
  if (!mayUseLog) checkHasNoLog(path);
  const file = await lock(path, aside);
  try {
    const fault = mayUseLog ? await faultOfLog(path + LOG) : undefined;
    if (fault !== undefined) throw new SpoolFault("damaged", fault);
    if (sizeOf(path) <= QUICKLY_CHECKED) file.check();
    // Nothing is written before all is read.
    const items = file.isNew ? [] : await load(file, restore);
    file.prepare(mayUseLog);
    return { file, items };
  } catch (error) {
    throw giveUp(file, path, aside, error);
  }
}

/**
 * Closes a file that cannot be used. A damaged one is moved away before:
 * SQLite would delete a log that it cannot read. Returns why it cannot be used.
 */
function giveUp(
  file: SqliteSpool,
  path: string,
  aside: string,
  error: unknown,
): unknown {
  if (error instanceof SpoolFault && isDamage(error, path)) {
    if (!isAllowed(aside)) {
      file.abandon();
      return cannotSetAside(path, error);
    }
    moveAside(path, aside);
  }
  file.abandon();
  return error;
}

/** What SQLite cannot read of a log it deletes. */
function checkHasNoLog(path: string): void {
  let hasLog: boolean;
  try {
    hasLog = SqliteSpool.hasLog(path);
  } catch (error) {
    const isDamaged = error instanceof SpoolFault && isDamage(error, path);
    throw isDamaged ? cannotSetAside(path, error) : error;
  }
  if (!hasLog) return;
  throw new Error(
    "its log, which was left by a process that did not end in order, cannot " +
      `be checked without permission for its folder: ${flagsFor(path)}`,
  );
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
async function lock(path: string, aside: string): Promise<SqliteSpool> {
  for (let tries = 1;; tries++) {
    const file = new SqliteSpool(path);
    try {
      file.lock();
      return file;
    } catch (error) {
      const fault = giveUp(file, path, aside, error);
      const isLocked = error instanceof SpoolFault && error.kind === "locked";
      if (!isLocked || tries === MOST_TRIES) throw fault;
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

/** Opens a new file with what could be read of the old one. */
async function openNew(
  path: string,
  aside: string,
  messages: readonly Stored[],
  restore: (stored: Stored) => Item,
): Promise<{ file: SqliteSpool; items: Item[] }> {
  try {
    const file = makeEmpty(path);
    try {
      file.write(messages, []);
    } finally {
      file.close();
    }
    return await openSound(path, aside, restore);
  } catch (error) {
    throw error instanceof WSError ? error : cannotOpen(path, error);
  }
}

function cannotSetAside(path: string, fault: SpoolFault): WSError {
  return fatal(
    "SPOOL",
    `The spool ${path} is damaged (${fault.message}), and setting it aside ` +
      `takes permission for its folder: ${flagsFor(path)}`,
    fault,
  );
}

function flagsFor(path: string): string {
  const folder = dirname(path);
  return `run again with --allow-read=${folder} --allow-write=${folder}`;
}

/** Moves the file away, with all that belongs to it. */
function moveAside(path: string, aside: string): void {
  for (const ending of ["", ...COMPANIONS]) {
    ifThere(() => Deno.renameSync(path + ending, aside + ending));
  }
}

/** Reads a copy, so that what was set aside stays as it is. */
function salvage(aside: string): Stored[] {
  const copy = `${aside}.copy`;
  const template = `${aside}.empty`;
  try {
    createPrivate(copy);
    if (sizeOf(aside) > 0) Deno.copyFileSync(aside, copy);
    else makeEmpty(copy).close();
    applyLog(aside + LOG, copy);
    withoutLog(copy);
    try {
      return readCopy(copy);
    } catch {
      // Its first page is always the same, but for a few numbers.
      makeEmpty(template).close();
      repairFirstPage(copy, firstPage(template));
      return readCopy(copy);
    }
  } catch {
    // Nothing can be read of it.
    return [];
  } finally {
    for (const ending of ["", ...COMPANIONS]) {
      ifThere(() => Deno.removeSync(copy + ending));
      ifThere(() => Deno.removeSync(template + ending));
    }
  }
}

function readCopy(copy: string): Stored[] {
  const file = new SqliteSpool(copy);
  try {
    file.lock();
    return file.salvage();
  } finally {
    file.abandon();
  }
}

function repairFirstPage(path: string, page: Uint8Array): void {
  new DataView(page.buffer).setUint32(PAGE_COUNT, sizeOf(path) / page.length);
  using file = Deno.openSync(path, { write: true });
  file.writeSync(page);
}

function firstPage(path: string): Uint8Array<ArrayBuffer> {
  using file = Deno.openSync(path);
  const page = new Uint8Array(PAGE_SIZE);
  file.readSync(page);
  return page;
}

/** A log may hold all the pages of a database that has gone. */
function makeEmpty(path: string): SqliteSpool {
  createPrivate(path);
  const file = new SqliteSpool(path);
  file.lock();
  file.prepare(false);
  return file;
}

/** Says in the file's header that no log belongs to it. */
function withoutLog(path: string): void {
  using file = Deno.openSync(path, { write: true });
  file.seekSync(FORMAT_VERSIONS, Deno.SeekMode.Start);
  file.writeSync(new Uint8Array([1, 1]));
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
