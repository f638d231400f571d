/** The rows that this matrix must have, in order: S01–S34, C01–C12, F01–F20 of the fault matrix. */
export const ROW_IDS: readonly string[] = [...numbered("S", 34), ...numbered("C", 12), ...numbered("F", 20)];

function numbered(letter: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${letter}${String(index + 1).padStart(2, "0")}`);
}
