/** Structured log: fields first, as pino has it. Values are escaped, so that no outside text breaks a line. */
export interface LineLogger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

const RANKS = { debug: 0, info: 1, warn: 2, error: 3 } as const;
export type LogLevel = keyof typeof RANKS;

/** The least that is logged with --verbose, with neither, and with --quiet. */
export const LEAST_LEVEL = { verbose: "debug", normal: "info", quiet: "error" } as const;

/** What `--log-format` takes. */
export const LOG_FORMATS = ["lines", "json"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** Writes a line of that format for each record from `minimum` upwards. */
export function createLineLogger(
  minimum: LogLevel,
  write: (line: string) => void,
  format: LogFormat = "lines",
): LineLogger {
  const describe = format === "json" ? jsonRecord : textRecord;
  const log =
    (level: LogLevel) =>
    (fields: LogFields, message: string): void => {
      if (RANKS[level] >= RANKS[minimum]) write(describe(level, fields, message));
    };
  return { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") };
}

/** `{"time":"2026-11-20T11:00:00.000Z","level":"info","pid":7,"message":"…","key":"value"}`, one line. */
export function jsonRecord(level: LogLevel, fields: LogFields, message: string): string {
  return escapedJson({ time: new Date().toISOString(), level, pid: process.pid, message, ...fields });
}

/** `2026-11-20T11:00:00.000Z info message key=value …` */
function textRecord(level: LogLevel, fields: LogFields, message: string): string {
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${formatValue(value!)}`);
  return `${new Date().toISOString()} ${level} ${message}${pairs.join("")}`;
}

function formatValue(value: string | number | boolean): string {
  if (typeof value !== "string") return String(value);
  const isPlain = /^[\x21-\x7e]+$/.test(value) && !value.includes('"');
  return isPlain ? value : escapedJson(value);
}

/** JSON escapes control characters below 0x20; the rest of what a terminal could act on is escaped here. */
function escapedJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\u061c\u2028\u2029\ufeff]/g,
    escapeUnit,
  );
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
