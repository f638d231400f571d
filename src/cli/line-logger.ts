/** Structured log: fields first, as pino has it. Values are escaped, so that no outside text breaks a line. */
export interface LineLogger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

const RANKS = { debug: 0, info: 1, warn: 2, error: 3 } as const;
type Level = keyof typeof RANKS;

/** Writes `2026-11-20T11:00:00.000Z info message key=value …` lines from `minimum` upwards. */
export function createLineLogger(minimum: Level, write: (line: string) => void): LineLogger {
  const log =
    (level: Level) =>
    (fields: LogFields, message: string): void => {
      if (RANKS[level] < RANKS[minimum]) return;
      const pairs = Object.entries(fields)
        .filter(([, value]) => value !== undefined)
        .map(([key, value]) => ` ${key}=${formatValue(value!)}`);
      write(`${new Date().toISOString()} ${level} ${message}${pairs.join("")}`);
    };
  return { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") };
}

function formatValue(value: string | number | boolean): string {
  if (typeof value !== "string") return String(value);
  // JSON escapes control characters below 0x20; the rest of what a terminal could act on is escaped here.
  const isPlain = /^[\x21-\x7e]+$/.test(value) && !value.includes('"');
  return isPlain
    ? value
    : JSON.stringify(value).replace(
        /[\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\u061c\u2028\u2029\ufeff]/g,
        escapeUnit,
      );
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
