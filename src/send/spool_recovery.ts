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
import { Parts } from "./turns.ts";

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
    return await openNew(path, aside, fault, restore, onDamaged);
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

/** Makes an item of each message. */
async function load(
  file: SqliteSpool,
  restore: (stored: Stored) => Item,
): Promise<Item[]> {
  const items: Item[] = [];
  const parts = new Parts();
  for (const stored of file.messages()) {
    items.push(restore(stored));
    if (parts.isOver) await parts.next();
  }
  return items;
}

/** Begins a new file with what can be read of the damaged one. */
async function openNew(
  path: string,
  aside: string,
  fault: SpoolFault,
  restore: (stored: Stored) => Item,
  onDamaged: (error: WSError) => void,
): Promise<{ file: SqliteSpool; items: Item[] }> {
  const isDamaged = `The spool ${path} is damaged (${fault.message})`;
  try {
    await makeFrom(aside, path);
    const opened = await openSound(path, aside, restore);
    const text = `${isDamaged}: it was set aside as ${aside}, and a new one ` +
      `begun with the ${opened.items.length} messages that could be read`;
    onDamaged(
      new WSError(text, { code: "SPOOL", severity: "transient", cause: fault }),
    );
    return opened;
  } catch (error) {
    if (error instanceof WSError) throw error;
    const text =
      `${isDamaged}, and what can be read of it cannot be put into ` +
      `a new one: ${textOf(error)}`;
    throw fatal("SPOOL", text, error);
  }
}

/** Makes a file of what can be read of a damaged one. */
async function makeFrom(aside: string, path: string): Promise<void> {
  const file = makeEmpty(path);
  try {
    await salvage(aside, file);
    file.close();
  } catch (error) {
    // The next time it is tried again.
    for (const ending of ["", ...COMPANIONS]) {
      ifThere(() => Deno.removeSync(path + ending));
    }
    moveAside(aside, path);
    file.abandon();
    throw error;
  }
  // Not by SQLite, which would block the event loop meanwhile.
  using synced = await Deno.open(path, { write: true });
  await synced.sync();
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

/**
 * Puts what can be read of a damaged file into a new one. It reads a copy, so
 * that what was set aside stays as it is.
 */
async function salvage(aside: string, into: SqliteSpool): Promise<void> {
  const copy = `${aside}.copy`;
  const template = `${aside}.empty`;
  try {
    createPrivate(copy);
    if (sizeOf(aside) > 0) await Deno.copyFile(aside, copy);
    else makeEmpty(copy).close();
    await applyLog(aside + LOG, copy);
    withoutLog(copy);
    if (await fill(into, copy)) return;
    // Its first page is always the same, but for a few numbers.
    makeEmpty(template).close();
    repairFirstPage(copy, firstPage(template));
    await fill(into, copy);
  } finally {
    for (const ending of ["", ...COMPANIONS]) {
      ifThere(() => Deno.removeSync(copy + ending));
      ifThere(() => Deno.removeSync(template + ending));
    }
  }
}

/** Copies the messages that can be read; `false` if the file cannot be opened. */
async function fill(into: SqliteSpool, copy: string): Promise<boolean> {
  let file: SqliteSpool;
  try {
    file = new SqliteSpool(copy);
  } catch {
    return false;
  }
  try {
    file.lock();
  } catch {
    file.abandon();
    return false;
  }
  into.dontSync();
  const parts = new Parts();
  let messages: Stored[] = [];
  try {
    for (const stored of file.readableMessages()) {
      messages.push(stored);
      if (!parts.isOver) continue;
      into.write(messages, []);
      messages = [];
      await parts.next();
    }
    into.write(messages, []);
  } finally {
    file.abandon();
  }
  return true;
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
