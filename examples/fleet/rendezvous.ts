/**
 * Rendezvous hashing (highest random weight): who does what, without anybody
 * who decides.
 *
 * Everyone computes the same owners from the same members. When a member goes,
 * only its own tasks move; when one comes, it takes an equal share from all.
 *
 * @module
 */

/**
 * The `copies` members that own a task, the best first; all of them when there
 * are not more.
 */
export function owners(
  task: string,
  members: readonly string[],
  copies: number,
): string[] {
  return members
    .map((member) => ({ member, weight: hash(`${member}\n${task}`) }))
    .toSorted((a, b) => b.weight - a.weight || (a.member < b.member ? -1 : 1))
    .slice(0, copies)
    .map(({ member }) => member);
}

/** FNV-1a with the final mixing of MurmurHash 3: 32 bits, the same anywhere. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) {
    value = Math.imul(value ^ byte, 0x01000193);
  }
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
