/**
 * ":LINE" of a key in TOML text, or nothing where that is not plain to see (written twice, in braces, or with dots).
 * @param table what stands in the table's header, "mirror.debian"; "" above the first header
 */
export function lineOfKey(text: string, table: string, key: string): string {
  const found: number[] = [];
  let current = "";
  text.split("\n").forEach((line, index) => {
    const header = /^\s*\[([^[\]]+)\]\s*(?:#.*)?$/.exec(line)?.[1];
    if (header !== undefined) current = bare(header);
    const named = /^\s*([^=#]+?)\s*=/.exec(line)?.[1];
    if (current === table && named !== undefined && bare(named) === key) found.push(index + 1);
  });
  return found.length === 1 ? `:${found[0]}` : "";
}

/** ":LINE" of the header of a table or of the first one in it, or nothing. */
export function lineOfTable(text: string, table: string): string {
  const lines = text.split("\n");
  const wanted = bare(table);
  const index = lines.findIndex((line) =>
    `${bare(/^\s*\[([^[\]]+)\]/.exec(line)?.[1] ?? "")}.`.startsWith(`${wanted}.`),
  );
  return index === -1 ? "" : `:${index + 1}`;
}

function bare(written: string): string {
  return written.replace(/["'\s]/g, "");
}
