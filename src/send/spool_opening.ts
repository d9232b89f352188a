/**
 * Opens the file behind the queue. A damaged file is renamed with the current
 * time, and its readable messages are copied into a new one.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { dirname } from "node:path";
import { causeText, WSError, type WSErrorCode } from "../errors.ts";
import { createPrivate, sizeOf } from "./files.ts";
import {
  SpoolFault,
  type SpoolFile,
  SqliteSpool,
  type Stored,
} from "./spool_file.ts";
import { isLogDamaged, LOG } from "./spool_log.ts";
import { asideOf, repair, setAside } from "./spool_repair.ts";
import { RESERVE } from "./spool_reserve.ts";
import { Parts } from "../turns.ts";

/**
 * Opens the file, and reads the messages in it, in order.
 * @throws {WSError} `PERMISSION` or `SPOOL`, fatal
 */
export type OpenSpool = (
  path: string,
  now: number,
  onDamaged: (error: WSError) => void,
) => Promise<Opened>;

/** A file, and the messages in it. */
interface Opened {
  readonly file: SpoolFile;
  readonly messages: readonly Stored[];
}

/** How often the lock is tried, some milliseconds apart. */
const MOST_TRIES = 15;
/** A file up to this size is checked completely. */
const QUICKLY_CHECKED = 2 * 1024 * 1024;

/** Opens the spool, or creates a new one. See {@linkcode OpenSpool}. */
export const openSpool: OpenSpool = async (path, now, onDamaged) => {
  if (!isAllowed(path)) {
    throw fatal(
      "PERMISSION",
      `Cannot open the spool ${path} without permission: ${flagsFor(path)}`,
    );
  }
  try {
    const stamp = new Date(now).toISOString().replaceAll(":", "-");
    const aside = asideOf(path) ?? `${path}.damaged-${stamp}`;
    try {
      return await openSound(path, aside);
    } catch (fault) {
      if (!isDamage(fault)) throw fault;
      return await openRepaired(path, aside, fault, onDamaged);
    }
  } catch (error) {
    if (error instanceof WSError) throw error;
    const text = `Cannot open the spool ${path}: ${causeText(error)}`;
    throw fatal("SPOOL", text, error);
  }
};

/**
 * Opens a file that is not damaged; a damaged one is set aside.
 * @throws {SpoolFault} it is damaged, in use or not ours
 */
async function openSound(path: string, aside: string): Promise<Opened> {
  if (asideOf(path) !== undefined) {
    throw new SpoolFault("damaged", "its repair was not finished");
  }
  const mayUseLog = [path + LOG, path + RESERVE, aside].every(isAllowed);
  // In this order: when another process has created the file meanwhile, it has
  // messages before it has a log.
  const logSize = mayUseLog ? sizeOf(path + LOG) : 0;
  if (logSize > 0 && sizeOf(path) === 0) {
    setAside(path, aside);
    throw new SpoolFault("damaged", "it is empty, and its log is not");
  }
  createPrivate(path);
  if (!mayUseLog) checkHasNoLog(path);
  const file = await lock(path, aside);
  try {
    if (mayUseLog && await isLogDamaged(path + LOG)) {
      throw new SpoolFault("damaged", "its log is damaged");
    }
    if (sizeOf(path) <= QUICKLY_CHECKED) file.check();
    // Nothing is written before all is read.
    const messages = file.isNew ? [] : await load(file);
    file.prepare(mayUseLog);
    file.reserve(mayUseLog, messages);
    return { file, messages };
  } catch (error) {
    giveUp(file, path, aside, error);
    throw error;
  }
}

/** Creates a new file with the readable messages of the damaged one. */
async function openRepaired(
  path: string,
  aside: string,
  fault: SpoolFault,
  onDamaged: (error: WSError) => void,
): Promise<Opened> {
  const isDamaged = `The spool ${path} is damaged (${fault.message})`;
  if (!isAllowed(aside)) {
    const text = `${isDamaged}, and setting it aside takes permission for ` +
      `its folder: ${flagsFor(dirname(path))}`;
    throw fatal("SPOOL", text, fault);
  }
  try {
    await repair(path, aside);
    const opened = await openSound(path, aside);
    const text = `${isDamaged}: it was set aside as ${aside}, and a new one ` +
      `begun with the ${opened.messages.length} messages that could be read`;
    onDamaged(
      new WSError(text, { code: "SPOOL", severity: "transient", cause: fault }),
    );
    return opened;
  } catch (error) {
    const text =
      `${isDamaged} and was set aside as ${aside}, and what can be ` +
      `read of it cannot be put into a new one: ${causeText(error)}`;
    throw fatal("SPOOL", text, error);
  }
}

async function load(file: SqliteSpool): Promise<Stored[]> {
  const messages: Stored[] = [];
  const parts = new Parts();
  for (const stored of file.messages()) {
    messages.push(stored);
    if (parts.isOver) await parts.next();
  }
  return messages;
}

/**
 * Two processes that start at the same moment can block each other: both
 * release the file and try again after a random time.
 */
async function lock(path: string, aside: string): Promise<SqliteSpool> {
  for (let tries = 1;; tries++) {
    const file = new SqliteSpool(path);
    try {
      file.lock();
      return file;
    } catch (error) {
      giveUp(file, path, aside, error);
      const isLocked = error instanceof SpoolFault && error.kind === "locked";
      if (!isLocked || tries === MOST_TRIES) throw error;
    }
    await delay(1 + Math.random() * 5 * tries);
  }
}

/**
 * Closes a file that cannot be used. A damaged one is set aside before: SQLite
 * would delete a log that it cannot read.
 */
function giveUp(
  file: SqliteSpool,
  path: string,
  aside: string,
  error: unknown,
): void {
  if (isDamage(error) && isAllowed(aside)) setAside(path, aside);
  file.abandon();
}

/** SQLite deletes the part of a log that it cannot read. */
function checkHasNoLog(path: string): void {
  // A log is never changed through a database that is read only.
  const file = new SqliteSpool(path, true);
  try {
    if (!file.hasLog) return;
    throw new Error(
      "its log, which was left by a process that did not end in order, cannot " +
        `be checked without permission for its folder: ${
          flagsFor(dirname(path))
        }`,
    );
  } finally {
    file.abandon();
  }
}

function isDamage(error: unknown): error is SpoolFault {
  return error instanceof SpoolFault && error.kind === "damaged";
}

/** Queried beforehand, because on a terminal Deno would prompt. */
function isAllowed(path: string): boolean {
  return (["read", "write"] as const).every((name) =>
    Deno.permissions.querySync({ name, path }).state === "granted"
  );
}

function flagsFor(path: string): string {
  return `run again with --allow-read=${path} --allow-write=${path}`;
}

function fatal(code: WSErrorCode, text: string, cause?: unknown): WSError {
  return new WSError(text, { code, severity: "fatal", cause });
}
