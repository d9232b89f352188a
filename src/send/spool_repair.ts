/**
 * Sets a damaged spool aside, with the files that belong to it, and makes a new
 * one from the readable messages.
 *
 * Meanwhile a note takes the place of the file. So if the process is killed
 * before the new file is complete, it leaves no empty spool behind: the next
 * process to open it goes on with the repair.
 *
 * @module
 */

import { basename, dirname, join } from "node:path";
import { createPrivate, ifThere, sizeOf, writeFully } from "./files.ts";
import { firstPage, SqliteSpool, type Stored } from "./spool_file.ts";
import { applyLog, LOG } from "./spool_log.ts";
import { Parts } from "../turns.ts";

/** The suffixes of files that SQLite may have put beside its own. */
const COMPANIONS = [LOG, "-journal", "-shm"];
/** Of the header: https://www.sqlite.org/fileformat2.html#the_database_header */
const PAGE_COUNT = 28;

const NOTE = "This is being made anew of a damaged spool: ";
const LONGEST_NOTE = 500;

/** The name of the damaged file, when there is a note in its place. */
export function asideOf(path: string): string | undefined {
  const size = sizeOf(path);
  if (size < NOTE.length || size > LONGEST_NOTE) return undefined;
  const text = Deno.readTextFileSync(path);
  if (!text.startsWith(NOTE)) return undefined;
  return join(dirname(path), text.slice(NOTE.length));
}

/** Puts a note into the place of a damaged file, which gets another name. */
export function setAside(path: string, aside: string): void {
  const note = `${aside}.note`;
  createPrivate(note);
  Deno.writeTextFileSync(note, NOTE + basename(aside));
  using _ = sizeOf(path) > 0 ? putUnder(aside, path) : undefined;
  Deno.renameSync(note, path);
  moveCompanions(path, aside);
}

/**
 * Gives a file a second name, or where there are no hard links (FAT) a copy of
 * that name. Then it returns the file, to be closed once another one is in its
 * place: closing it also frees its lock.
 */
function putUnder(aside: string, path: string): Disposable | undefined {
  try {
    Deno.linkSync(path, aside);
    return undefined;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) throw error;
  }
  const part = `${aside}.copy`;
  const file = Deno.openSync(path);
  try {
    copyInto(part, file);
    Deno.renameSync(part, aside);
    return file;
  } catch (error) {
    remove(part);
    throw error;
  }
}

function copyInto(path: string, from: Deno.FsFile): void {
  createPrivate(path);
  using file = Deno.openSync(path, { write: true });
  const block = new Uint8Array(64 * 1024);
  while (true) {
    const read = from.readSync(block);
    if (read === null) return file.syncSync();
    writeFully(file, block.subarray(0, read));
  }
}

/** Replaces the note by a file with all messages that can be read. */
export async function repair(path: string, aside: string): Promise<void> {
  moveCompanions(path, aside);
  const made = `${aside}.new`;
  // Of several processes that repair it, one gets the lock.
  const file = makeEmpty(made);
  try {
    await salvage(aside, file);
  } catch (error) {
    file.abandon();
    remove(made);
    throw error;
  }
  file.close();
  // Not by SQLite, which would block the event loop meanwhile.
  using synced = await Deno.open(made, { write: true });
  await synced.sync();
  Deno.renameSync(made, path);
}

/**
 * Copies the readable messages of a damaged file into a new one. It works on a
 * copy, so that the file set aside is not changed.
 */
async function salvage(aside: string, into: SqliteSpool): Promise<void> {
  const copy = `${aside}.copy`;
  try {
    makeEmpty(copy).close();
    const page = firstPage(copy);
    if (sizeOf(aside) > 0) await Deno.copyFile(aside, copy);
    await applyLog(aside + LOG, copy);
    writeFirstPage(copy, page);
    await fill(into, copy);
  } finally {
    remove(copy);
  }
}

/** The first page is always the same, but for a few numbers. */
function writeFirstPage(path: string, page: Uint8Array<ArrayBuffer>): void {
  new DataView(page.buffer).setUint32(PAGE_COUNT, sizeOf(path) / page.length);
  using file = Deno.openSync(path, { write: true });
  file.writeSync(page);
}

/** Copies the messages that can be read. */
async function fill(into: SqliteSpool, copy: string): Promise<void> {
  const file = new SqliteSpool(copy);
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
}

function makeEmpty(path: string): SqliteSpool {
  createPrivate(path);
  const file = new SqliteSpool(path);
  try {
    file.lock();
    file.prepare(false);
    return file;
  } catch (error) {
    file.abandon();
    throw error;
  }
}

function moveCompanions(path: string, aside: string): void {
  for (const ending of COMPANIONS) {
    ifThere(() => Deno.renameSync(path + ending, aside + ending));
  }
}

function remove(path: string): void {
  for (const ending of ["", ...COMPANIONS]) {
    ifThere(() => Deno.removeSync(path + ending));
  }
}
