/**
 * A number in [0, 1) that depends on nothing but its arguments: the same seed
 * and the same path give the same number, in whatever order they are asked
 * for. It hashes with the steps of MurmurHash3; not for secrets.
 *
 * @example
 * ```ts
 * import { random } from "./random.ts";
 *
 * const connection = 3;
 * const message = 17;
 * random(42, connection, message); // always the same
 * ```
 */
export function random(seed: number, ...path: readonly number[]): number {
  let hash = mix(0x9e3779b9, seed);
  for (const step of path) hash = mix(hash, step);
  return avalanche(hash ^ path.length) / 0x1_0000_0000;
}

function mix(hash: number, value: number): number {
  const scrambled = Math.imul(
    rotate(Math.imul(value, 0xcc9e2d51), 15),
    0x1b873593,
  );
  return Math.imul(rotate(hash ^ scrambled, 13), 5) + 0xe6546b64 | 0;
}

function rotate(bits: number, by: number): number {
  return bits << by | bits >>> 32 - by;
}

/** Lets every bit of the input change about half of the bits. */
function avalanche(hash: number): number {
  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
  return (hash ^ hash >>> 16) >>> 0;
}
