/**
 * What somebody may have meant who mistyped a word.
 *
 * @module
 */

/** From this length on two slips are forgiven, before only one. */
const LONG = 6;

/**
 * Those of the words that begin as the mistyped one does, or with which it
 * begins; if there are none, those that are one or two slips away: a letter too
 * many, too few, wrong, or swapped with its neighbour. One letter is too little.
 */
export function similar<T extends string>(
  mistyped: string,
  words: readonly T[],
): T[] {
  if (mistyped.length < 2) return [];
  const alike = words.filter((word) =>
    word.startsWith(mistyped) || mistyped.startsWith(word)
  );
  if (alike.length > 0) return alike;
  const slips = mistyped.length < LONG ? 1 : 2;
  return words.filter((word) => distance(mistyped, word) <= slips);
}

/** How many slips lead from one to the other (optimal string alignment). */
function distance(from: string, to: string): number {
  let [beforeLast, last]: [number[], number[]] = [[], []];
  for (let i = 0; i <= from.length; i++) {
    const row: number[] = [];
    for (let j = 0; j <= to.length; j++) {
      const isSame = i > 0 && j > 0 && from[i - 1] === to[j - 1];
      const isSwapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] &&
        from[i - 2] === to[j - 1];
      row.push(
        i === 0 || j === 0 ? i + j : Math.min(
          (last[j] ?? 0) + 1,
          (row[j - 1] ?? 0) + 1,
          (last[j - 1] ?? 0) + (isSame ? 0 : 1),
          isSwapped ? (beforeLast[j - 2] ?? 0) + 1 : Infinity,
        ),
      );
    }
    [beforeLast, last] = [last, row];
  }
  return last[to.length] ?? 0;
}
