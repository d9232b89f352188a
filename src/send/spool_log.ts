/**
 * Reads the write-ahead log of a spool.
 *
 * For SQLite a log ends at the first frame that is not sound, and it ignores
 * what comes after. After a `kill -9` that is right; but if the middle of the
 * log is damaged, accepted messages are lost silently. So the log is checked
 * before SQLite may write.
 *
 * The format: https://www.sqlite.org/fileformat2.html#walformat
 *
 * @module
 */

import { sizeOf, writeFully } from "./files.ts";
import { Parts } from "../turns.ts";

/** The suffix of SQLite's log file. */
export const LOG = "-wal";

/** The magic number of a log whose checksums use little-endian words. */
const MAGIC = 0x377f0682;
const HEADER_SIZE = 32;
const FRAME_HEADER_SIZE = 24;
const USUAL_PAGE_SIZE = 4096;

/** One page, as a transaction left it. */
interface Frame {
  /** The page's number, from 1. */
  readonly page: number;
  readonly content: Uint8Array;
  /** Whether it is the last one of its transaction. */
  readonly isCommit: boolean;
  /** Whether it was written since the log was last started anew. */
  readonly isCurrent: boolean;
  /**
   * Whether its checksum, which continues that of the frame before, is right.
   */
  readonly isSound: boolean;
}

type Sum = readonly [number, number];

/** The whole frames of a log, in order; their content is valid for a moment. */
async function* framesOf(path: string): AsyncGenerator<Frame, undefined> {
  if (sizeOf(path) < HEADER_SIZE) return;
  using file = Deno.openSync(path);
  const header = new Uint8Array(HEADER_SIZE + FRAME_HEADER_SIZE);
  readFully(file, header);
  const head = new DataView(header.buffer);
  const sum = checksum(header.subarray(0, 24), [0, 0]);
  const hasSoundHeader = head.getUint32(0) === MAGIC &&
    sum[0] === head.getUint32(24) && sum[1] === head.getUint32(28);
  // With a damaged header, the usual page size and the first frame's salt.
  const pageSize = hasSoundHeader ? head.getUint32(8) : USUAL_PAGE_SIZE;
  const salt = header.subarray(...(hasSoundHeader ? [16, 24] : [40, 48]));
  let before = hasSoundHeader ? sum : undefined;
  const bytes = new Uint8Array(FRAME_HEADER_SIZE + pageSize);
  const frame = new DataView(bytes.buffer);
  const content = bytes.subarray(FRAME_HEADER_SIZE);
  const parts = new Parts();
  file.seekSync(HEADER_SIZE, Deno.SeekMode.Start);
  while (readFully(file, bytes)) {
    if (parts.isOver) await parts.next();
    const isCurrent = salt.every((byte, i) => bytes[8 + i] === byte);
    const own: Sum = [frame.getUint32(16), frame.getUint32(20)];
    let isSound = false;
    if (isCurrent && before !== undefined) {
      const sum = checksum(content, checksum(bytes.subarray(0, 8), before));
      isSound = sum[0] === own[0] && sum[1] === own[1];
    }
    const page = frame.getUint32(0);
    const isCommit = frame.getUint32(4) > 0;
    yield { page, content, isCommit, isCurrent, isSound };
    before = own;
  }
}

/**
 * Whether the log is damaged. An incomplete last frame is not damage: the
 * process was killed while it wrote.
 */
export async function isLogDamaged(path: string): Promise<boolean> {
  let hasEnded = false;
  for await (const { isCurrent, isSound } of framesOf(path)) {
    hasEnded ||= !isSound;
    if (hasEnded && isCurrent) return true;
  }
  return false;
}

/** Writes the sound transactions of the log into a copy of its database. */
export async function applyLog(path: string, copy: string): Promise<void> {
  using file = Deno.openSync(copy, { read: true, write: true });
  /** The pages of the transaction that has not ended yet. */
  let pages = new Map<number, Uint8Array>();
  for await (const { isSound, page, content, isCommit } of framesOf(path)) {
    if (!isSound || page === 0) continue;
    pages.set(page, content.slice());
    if (!isCommit) continue;
    for (const [number, bytes] of pages) {
      file.seekSync((number - 1) * bytes.length, Deno.SeekMode.Start);
      writeFully(file, bytes);
    }
    pages = new Map();
  }
}

/** Over two words at a time, as SQLite does. */
function checksum(bytes: Uint8Array, before: Sum): Sum {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let [first, second] = before;
  for (let at = 0; at < bytes.byteLength; at += 8) {
    first = (first + view.getUint32(at, true) + second) >>> 0;
    second = (second + view.getUint32(at + 4, true) + first) >>> 0;
  }
  return [first, second];
}

/** Fills `bytes`; `false` if the file ends before. */
function readFully(file: Deno.FsFile, bytes: Uint8Array): boolean {
  let at = 0;
  while (at < bytes.length) {
    const read = file.readSync(bytes.subarray(at));
    if (read === null) return false;
    at += read;
  }
  return true;
}
