const UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/** "2026-11-20T11:00:00Z", rounded down to the second: the only form of a time in signed data (TUF's too). */
export function formatUtc(ms: number): string {
  return `${new Date(Math.floor(ms / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}

/** Milliseconds since 1970, undefined for another form or a day that does not exist. */
export function parseUtc(text: unknown): number | undefined {
  if (typeof text !== "string" || !UTC.test(text)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) || formatUtc(ms) !== text ? undefined : ms;
}
