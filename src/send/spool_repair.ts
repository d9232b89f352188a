/**
 * Sets a damaged spool aside, with all that belongs to it, and makes a new one
 * of what can be read.
 *
 * @module
 */

import { SqliteSpool, type Stored } from "./spool_file.ts";
import { applyLog, sizeOf } from "./spool_log.ts";
import { Parts } from "./turns.ts";

/** What SQLite adds to the name of its file for its log. */
export const LOG = "-wal";
/** What SQLite may have put beside its file. */
const COMPANIONS = [LOG, "-journal", "-shm"];
// https://www.sqlite.org/fileformat2.html#the_database_header
const PAGE_SIZE = 4096;
const FORMAT_VERSIONS = 18;
const PAGE_COUNT = 28;

/** Makes a file of what can be read of a damaged one. */
export async function makeFrom(aside: string, path: string): Promise<void> {
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
  let file: SqliteSpool | undefined;
  try {
    file = new SqliteSpool(copy);
    file.lock();
  } catch {
    file?.abandon();
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

/** Says in the file's header that no log belongs to it. */
function withoutLog(path: string): void {
  using file = Deno.openSync(path, { write: true });
  file.seekSync(FORMAT_VERSIONS, Deno.SeekMode.Start);
  file.writeSync(new Uint8Array([1, 1]));
}

/** A log may hold all the pages of a database that has gone. */
function makeEmpty(path: string): SqliteSpool {
  createPrivate(path);
  const file = new SqliteSpool(path);
  file.lock();
  file.prepare(false);
  return file;
}

/** Moves the file away, with all that belongs to it. */
export function moveAside(path: string, aside: string): void {
  for (const ending of ["", ...COMPANIONS]) {
    ifThere(() => Deno.renameSync(path + ending, aside + ending));
  }
}

/** SQLite would let others read it. Its other files get the same mode. */
export function createPrivate(path: string): void {
  try {
    Deno.openSync(path, { createNew: true, write: true, mode: 0o600 }).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

export function firstPage(path: string): Uint8Array<ArrayBuffer> {
  using file = Deno.openSync(path);
  const page = new Uint8Array(PAGE_SIZE);
  file.readSync(page);
  return page;
}

function ifThere(change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
