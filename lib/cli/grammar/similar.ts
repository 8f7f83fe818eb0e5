/** What somebody may have meant by a word that does not exist. */

/** Nobody types longer ones; comparing takes the product of both lengths. */
const MAX_CHARS = 64;
const MAX_OFFERED = 3;

/** The words of `known` that `typed` is close to, the closest first: mistyped, or begun. At most three. */
function similar(typed: string, known: readonly string[]): string[] {
  const word = typed.slice(0, MAX_CHARS).toLowerCase();
  if (word.length < 2) return [];
  const limit = word.length <= 3 ? 1 : 2;
  const near = known.map((candidate) => ({ candidate, distance: distanceOf(word, candidate) }))
    .filter(({ distance }) => distance <= limit)
    .toSorted((a, b) => a.distance - b.distance);
  const begun = known.filter((candidate) => candidate.startsWith(word));
  return [...new Set([...near.map(({ candidate }) => candidate), ...begun])].slice(0, MAX_OFFERED);
}

/** A hint for somebody who typed a word that is not among `known`; undefined when it is close to none. `show` writes one of them. */
export function didYouMean(
  typed: string,
  known: readonly string[],
  show: (word: string) => string,
): string | undefined {
  const shown = similar(typed, known).map(show);
  const last = shown.pop();
  if (last === undefined) return undefined;
  return `Did you mean ${shown.length === 0 ? last : `${shown.join(", ")} or ${last}`}?`;
}

/** Letters to change, add, drop or swap with their neighbour (optimal string alignment). */
function distanceOf(a: string, b: string): number {
  let [older, old]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(Math.min(
        at(old, j) + 1,
        at(row, j - 1) + 1,
        at(old, j - 1) + (isSame ? 0 : 1),
        isSwap ? at(older, j - 2) + 1 : Infinity,
      ));
    }
    [older, old] = [old, row];
  }
  return at(old, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity;
}
