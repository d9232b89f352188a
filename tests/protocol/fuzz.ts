/**
 * Random and mutated bytes for everything that reads what a peer sent. Only the
 * documented errors may come of them.
 *
 * `deno run tests/protocol/fuzz.ts [CASES] [SEED]`
 *
 * @module
 */

import { acceptDeflate } from "../../src/protocol/deflate_parameters.ts";
import { ProtocolError } from "../../src/protocol/frames.ts";
import {
  checkRequest,
  encodeRequest,
  newKey,
  RefusedHandshake,
} from "../../src/protocol/handshake.ts";
import {
  endOfHead,
  HeadError,
  headText,
  parseRequestHead,
  parseResponseHead,
} from "../../src/protocol/http_head.ts";
import { concat, Feed, frame, otherSide, SIDES } from "./frames.ts";

/** Small and repeatable (xorshift32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0 || 1;
  }

  /** A whole number from 0 up to but not including `below`. */
  below(below: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % below;
  }

  pick<T>(from: readonly [T, ...T[]]): T {
    return from[this.below(from.length)] ?? from[0];
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, () => this.below(256));
  }
}

/** Flips, removes, repeats or inserts a few bytes. */
function mutate(
  random: Random,
  bytes: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  let result = bytes;
  for (let count = random.below(4); count > 0; count--) {
    const at = random.below(result.length + 1);
    const [head, tail] = [result.subarray(0, at), result.subarray(at)];
    switch (random.below(4)) {
      case 0:
        result = concat(head, random.bytes(1), tail.subarray(1));
        break;
      case 1:
        result = concat(head, tail.subarray(random.below(4)));
        break;
      case 2:
        result = concat(head, random.bytes(random.below(4)), tail);
        break;
      default:
        result = concat(head, head.subarray(-random.below(20)), tail);
    }
  }
  return result;
}

const OPCODES = [0, 1, 2, 8, 9, 10] as const;
const LENGTHS = [0, 1, 5, 125, 126, 300, 70_000] as const;

function fuzzFrames(random: Random): void {
  const side = random.pick(SIDES);
  const feed = new Feed(side, {
    maxMessageBytes: 100_000,
    compression: random.below(2) === 0,
  });
  const parts: Uint8Array[] = [];
  for (let count = 1 + random.below(5); count > 0; count--) {
    if (random.below(8) === 0) parts.push(random.bytes(random.below(20)));
    const length = LENGTHS[random.below(random.below(9) === 0 ? 7 : 6)] ?? 0;
    const payload = random.below(2) === 0
      ? new Uint8Array(length).fill(97)
      : random.bytes(Math.min(length, 400));
    parts.push(frame(otherSide(side), random.pick(OPCODES), payload, {
      fin: random.below(4) > 0,
      reserved: random.below(10) === 0 ? random.below(8) : 0,
    }));
  }
  const wire = mutate(random, concat(...parts));
  try {
    for (let at = 0; at < wire.length;) {
      const end = at + 1 + random.below(wire.length);
      feed.push(wire.subarray(at, end));
      at = end;
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
}

const RESPONSE = new TextEncoder().encode(
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" +
    "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Extensions: " +
    'permessage-deflate; server_max_window_bits="10"\r\n\r\n',
);

function fuzzHeads(random: Random): void {
  const request = encodeRequest({
    host: "example.com",
    target: "/",
    key: newKey(),
    deflate: {},
  });
  const wire = mutate(random, random.below(2) === 0 ? RESPONSE : request);
  endOfHead(wire, random.below(wire.length + 1), wire.length);
  const text = headText(wire);
  try {
    const { headers } = parseResponseHead(text);
    acceptDeflate(headers.get("sec-websocket-extensions") ?? "", {});
  } catch (error) {
    if (!(error instanceof HeadError)) throw error;
  }
  try {
    checkRequest(parseRequestHead(text));
  } catch (error) {
    if (!(error instanceof HeadError || error instanceof RefusedHandshake)) {
      throw error;
    }
  }
}

/** Runs so many cases; an undocumented error ends it. */
export function fuzz(cases: number, seed: number): void {
  for (let index = 0; index < cases; index++) {
    const random = new Random(seed + index * 0x9e3779b9);
    try {
      if (index % 5 === 4) fuzzHeads(random);
      else fuzzFrames(random);
    } catch (cause) {
      throw new Error(`case ${index} with seed ${seed} failed`, { cause });
    }
  }
}

if (import.meta.main) {
  const [cases = "200000", seed = String(Date.now() % 1e9)] = Deno.args;
  console.log(`${cases} cases with seed ${seed}`);
  fuzz(Number(cases), Number(seed));
  console.log("only documented errors");
}
