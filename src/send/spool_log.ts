/**
 * Reads the write-ahead log of a spool.
 *
 * SQLite takes a log to end at the first frame that is not sound, and forgets
 * what comes after it. After a `kill -9` that is right; when the log is damaged
 * in its middle, messages that were accepted are lost without a word. So the log
 * is looked through before SQLite may write.
 *
 * The format: https://www.sqlite.org/fileformat2.html#walformat
 *
 * @module
 */

import { Parts } from "./turns.ts";

/** The lower bit tells the order of the bytes of a checksum's words. */
const MAGIC = 0x377f0682;
const HEADER_SIZE = 32;
const FRAME_HEADER_SIZE = 24;
const DEFAULT_PAGE_SIZE = 4096;

/** One page, as a transaction left it. */
interface Frame {
  readonly page: number;
  /** Of the database in pages, where the transaction ends; else 0. */
  readonly commitSize: number;
  /** The content of the page. */
  readonly content: Uint8Array;
  /** Whether it belongs to the log as it was begun last. */
  readonly isCurrent: boolean;
  /** Whether it is as it was written, as far as the frame before tells. */
  readonly isSound: boolean;
}

type Sum = readonly [number, number];

/** An open log. */
class Log implements Disposable {
  /** What is wrong with its header, if anything is. */
  readonly fault: string | undefined;
  readonly #file: Deno.FsFile;
  readonly #isBigEndian: boolean;
  readonly #pageSize: number;
  readonly #salt: Uint8Array;
  readonly #sum: Sum | undefined;

  constructor(path: string) {
    this.#file = Deno.openSync(path);
    const header = new Uint8Array(HEADER_SIZE + FRAME_HEADER_SIZE);
    readFully(this.#file, header);
    const view = new DataView(header.buffer);
    const magic = view.getUint32(0);
    const isBigEndian = magic === MAGIC + 1;
    const sum = checksum(header.subarray(0, 24), [0, 0], isBigEndian);
    const isSound = (magic & ~1) === MAGIC && sum[0] === view.getUint32(24) &&
      sum[1] === view.getUint32(28);
    this.fault = isSound ? undefined : "the header of its log is damaged";
    // With a damaged header what is usual is tried, and the first frame's salt.
    this.#isBigEndian = isSound && isBigEndian;
    this.#sum = isSound ? sum : undefined;
    this.#pageSize = isSound ? view.getUint32(8) : DEFAULT_PAGE_SIZE;
    this.#salt = isSound ? header.slice(16, 24) : header.slice(40, 48);
  }

  /** The whole frames, in order. */
  *frames(): Generator<Frame, undefined> {
    this.#file.seekSync(HEADER_SIZE, Deno.SeekMode.Start);
    const bytes = new Uint8Array(FRAME_HEADER_SIZE + this.#pageSize);
    const view = new DataView(bytes.buffer);
    let before = this.#sum;
    while (readFully(this.#file, bytes)) {
      const content = bytes.subarray(FRAME_HEADER_SIZE);
      const isCurrent = this.#salt.every((byte, i) => bytes[8 + i] === byte);
      const own: Sum = [view.getUint32(16), view.getUint32(20)];
      let isSound = false;
      if (isCurrent && before !== undefined) {
        const head = checksum(bytes.subarray(0, 8), before, this.#isBigEndian);
        const sum = checksum(content, head, this.#isBigEndian);
        isSound = sum[0] === own[0] && sum[1] === own[1];
      }
      const page = view.getUint32(0);
      const commitSize = view.getUint32(4);
      yield { page, commitSize, content, isCurrent, isSound };
      before = own;
    }
  }

  get pageSize(): number {
    return this.#pageSize;
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/**
 * What is wrong with the log, if anything is. That its last frame is not whole
 * is not wrong: the process was killed while it wrote.
 */
export async function faultOfLog(path: string): Promise<string | undefined> {
  if (sizeOf(path) < HEADER_SIZE) return undefined;
  using log = new Log(path);
  if (log.fault !== undefined) return log.fault;
  let hasEnded = false;
  const parts = new Parts();
  for (const { isCurrent, isSound } of log.frames()) {
    hasEnded ||= !isSound;
    if (hasEnded && isCurrent) return "its log is damaged";
    if (parts.isOver) await parts.next();
  }
  return undefined;
}

/** Writes what is sound in the log into a copy of its database. */
export async function applyLog(path: string, copy: string): Promise<void> {
  if (sizeOf(path) < HEADER_SIZE) return;
  using log = new Log(path);
  using file = Deno.openSync(copy, { read: true, write: true });
  /** Of the transaction whose end has not come. */
  let pages = new Map<number, Uint8Array>();
  const parts = new Parts();
  for (const { isSound, page, commitSize, content } of log.frames()) {
    if (parts.isOver) await parts.next();
    if (!isSound || page === 0) continue;
    pages.set(page, content.slice());
    if (commitSize === 0) continue;
    for (const [number, bytes] of pages) {
      file.seekSync((number - 1) * log.pageSize, Deno.SeekMode.Start);
      writeFully(file, bytes);
    }
    file.truncateSync(commitSize * log.pageSize);
    pages = new Map();
  }
}

/** The size of a file, 0 if there is none. */
export function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

/** Over two words at a time, as SQLite does. */
function checksum(bytes: Uint8Array, before: Sum, isBigEndian: boolean): Sum {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let [first, second] = before;
  for (let at = 0; at < bytes.byteLength; at += 8) {
    first = (first + view.getUint32(at, !isBigEndian) + second) >>> 0;
    second = (second + view.getUint32(at + 4, !isBigEndian) + first) >>> 0;
  }
  return [first, second];
}

function readFully(file: Deno.FsFile, bytes: Uint8Array): boolean {
  let at = 0;
  while (at < bytes.length) {
    const read = file.readSync(bytes.subarray(at));
    if (read === null) return false;
    at += read;
  }
  return true;
}

function writeFully(file: Deno.FsFile, bytes: Uint8Array): void {
  let at = 0;
  while (at < bytes.length) at += file.writeSync(bytes.subarray(at));
}
