/** One titled table or list of a report, the same for text and HTML. */
export interface Section {
  readonly title: string;
  /** What the figures mean, where it is not plain, and their error. */
  readonly note?: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Sections as lines for a terminal: columns aligned, the first to the left. */
export function sectionLines({ title, note, columns, rows }: Section): string[] {
  const all = columns.length > 0 ? [columns, ...rows] : rows;
  const widths = (all[0] ?? []).map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const table = all.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join("  ")
      .trimEnd(),
  );
  return [title, ...(note === undefined ? [] : [`  (${note})`]), ...table.map((line) => `  ${line}`), ""];
}

/** Null where there is nothing to share. */
export function ratio(part: number, of: number): number | null {
  return of === 0 ? null : part / of;
}

/** A share of 0 … 1. */
export function percent(share: number | null): string {
  return share === null ? "none" : `${(100 * share).toFixed(1)} %`;
}

/** With commas. */
export function whole(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ",");
}
