import { parseByteSize } from "../core/byte-size.ts";

/** One option of a command. `rule` is any text, as often as one likes, in order with all other rules. `size` takes 64K or 2G, `duration` 30s, 15m, 4h, 2d (→ milliseconds), `port` 0…65535. */
export interface OptionSpec {
  readonly name: string;
  readonly kind: "flag" | "text" | "size" | "duration" | "port" | "number" | "rule";
  /** What stands for the value in help, "BYTES"; flags have none. */
  readonly placeholder?: string;
  readonly help: string;
  /** One letter. */
  readonly short?: string;
  /** Of a duration, the shortest and the longest: ["10s", "30m"]. */
  readonly between?: readonly [string, string];
  /** Only these texts are allowed. */
  readonly choices?: readonly string[];
  /** Names a file or directory. */
  readonly isPath?: boolean;
  /** Asks for something once: no configuration file may hold it. */
  readonly isOnce?: boolean;
  /** Options of one group on the command line replace all of that group in a configuration file. */
  readonly group?: "selection";
  /** Beyond its kind; the command asks again when it uses the value. @throws Error in words */
  readonly check?: (text: string) => void;
}

const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** "30s", "15m", "4h", "2d", "250ms", "0" → milliseconds. @throws Error in words */
export function parseDurationMs(text: string): number {
  if (text === "0") return 0;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  const unit = match === null ? undefined : DURATION_UNITS[match[2]!];
  if (match === null || unit === undefined) throw new Error(`expected a time like 30s, 15m, 4h or 2d, got "${text}"`);
  return Number(match[1]) * unit;
}

function convertDuration({ between }: OptionSpec, value: string): number {
  const ms = parseDurationMs(value);
  if (between === undefined) return ms;
  const [least, most] = between;
  if (ms >= parseDurationMs(least) && ms <= parseDurationMs(most)) return ms;
  throw new Error(`expected a time from ${least} to ${most}, got "${value}"`);
}

/** The text of an option in the form of its kind. @throws Error in words */
export function convertValue(option: OptionSpec, value: string): string | number {
  switch (option.kind) {
    case "size":
      return parseByteSize(value);
    case "duration":
      return convertDuration(option, value);
    case "port": {
      const port = Number(value);
      if (!/^\d{1,5}$/.test(value) || port > 65_535) throw new Error(`expected a port 0…65535, got "${value}"`);
      return port;
    }
    case "number": {
      if (!/^\d{1,15}$/.test(value)) throw new Error(`expected a whole number, got "${value}"`);
      return Number(value);
    }
    case "text":
      if (option.choices !== undefined && !option.choices.includes(value)) {
        throw new Error(`expected one of ${option.choices.join(", ")}, got "${value}"`);
      }
      return value;
    case "rule":
      return value;
    case "flag":
      throw new Error("a flag has no value");
  }
}
