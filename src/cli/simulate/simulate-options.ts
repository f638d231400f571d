import { parseByteSize } from "../../core/byte-size.ts";
import { messageOf } from "../../core/errors.ts";
import { POLICY_NAMES, type PolicyName } from "../../delivery/policies/named-policy.ts";
import { DEFAULT_RELEASE_DAY } from "../../sim/release-day-workload.ts";
import { type ParsedArguments, UsageError } from "../arguments.ts";
import { type OptionSpec, parseDurationMs } from "../option-spec.ts";

export const STUDIES = ["load", "volunteers", "placement"] as const;
export type Study = (typeof STUDIES)[number];

/** What `prsync simulate` is asked. Lines in bytes per second. */
export interface SimulateOptions {
  readonly studies: readonly Study[];
  readonly seed: number;
  readonly requests: number;
  readonly days: number;
  readonly peakToMean: number;
  readonly customerLine: number;
  readonly originLine: number;
  readonly below: number;
  readonly volunteers: readonly number[];
  readonly lines: readonly number[];
  /** Seconds; Infinity: always there. */
  readonly lingers: readonly number[];
  readonly policy: PolicyName;
  readonly volatileVolunteers: number;
  readonly volatileLine: number;
  readonly quotaBytes: number;
}

const BYTES_PER_MBIT = 125_000;
/** What each option says if it is not given; the help shows the same texts. */
const DEFAULTS = {
  seed: "1",
  requests: String(DEFAULT_RELEASE_DAY.requests),
  days: String(DEFAULT_RELEASE_DAY.days),
  peak: String(DEFAULT_RELEASE_DAY.peakToMean),
  "customer-line": "20",
  "origin-line": "1000",
  below: "50",
  volunteers: "10,20,40",
  lines: "10,100",
  linger: "4h,always",
  policy: "near",
  volatile: "40",
  "volatile-line": "10",
  quota: "20G",
} as const;
type OptionName = keyof typeof DEFAULTS;

function option(name: OptionName, placeholder: string, help: string): OptionSpec {
  return { name, kind: "text", placeholder, isOnce: true, help: `${help} (default ${DEFAULTS[name]})` };
}

export const SIMULATE_OPTIONS: readonly OptionSpec[] = [
  {
    name: "only",
    kind: "text",
    placeholder: STUDIES.join("|"),
    isOnce: true,
    help: "one part alone",
  },
  option("seed", "N", "the same number, the same result"),
  option("requests", "N", "without LOG: downloads in all; those that would come after the last day are left out"),
  option("days", "N", "without LOG: days, the first of them quiet, the release on the second"),
  option("peak", "N", "without LOG: requests at the busiest moment, times the mean"),
  option("customer-line", "MBIT", "median of customers' lines down, Mbit/s; up is a quarter"),
  option("origin-line", "MBIT", "central's line up, Mbit/s"),
  option("below", "MBIT", "what central is to stay below, Mbit/s"),
  option("volunteers", "N,N,…", "numbers of mirrors to try"),
  option("lines", "MBIT,…", "their lines up to try, Mbit/s; down is four times that"),
  option("linger", "TIME,…", "how long a mirror that syncs once a day stays, to try; always: a daemon"),
  option("policy", POLICY_NAMES.join("|"), "how central chooses, as serve --policy"),
  option("volatile", "N", "machines that come and go"),
  option("volatile-line", "MBIT", "their lines up, Mbit/s"),
  option("quota", "SIZE", "disk that each of them gives"),
];

/** Every option in its type. @throws UsageError naming all problems together */
export function simulateOptions(args: ParsedArguments): SimulateOptions {
  const problems: string[] = [];
  const read = <T>(name: OptionName, parse: (text: string) => T): T => {
    try {
      return parse(args.text(name) ?? DEFAULTS[name]);
    } catch (error) {
      problems.push(`--${name}: ${messageOf(error)}`);
      return parse(DEFAULTS[name]);
    }
  };
  if (args.positional("LOG") !== undefined)
    for (const name of ["requests", "days", "peak"] as const)
      if (args.isGiven(name)) problems.push(`--${name} goes without LOG: a log has its own`);
  const only = args.text("only");
  const studies = only === undefined ? STUDIES : STUDIES.filter((study) => study === only);
  if (studies.length === 0) problems.push(`--only: expected one of ${STUDIES.join(", ")}, got "${only}"`);
  const options: SimulateOptions = {
    studies,
    seed: read("seed", (text) => whole(text, { least: 0, most: 2 ** 31 })),
    requests: read("requests", (text) => whole(text, { least: 1, most: 10_000_000 })),
    days: read("days", (text) => whole(text, { least: 2, most: 60 })),
    peakToMean: read("peak", (text) => whole(text, { least: 2, most: 1000 })),
    customerLine: read("customer-line", mbit),
    originLine: read("origin-line", mbit),
    below: read("below", mbit),
    volunteers: read(
      "volunteers",
      list((text) => whole(text, { least: 0, most: 10_000 })),
    ),
    lines: read("lines", list(mbit)),
    lingers: read("linger", list(lingerSeconds)),
    policy: read("policy", policyOf),
    volatileVolunteers: read("volatile", (text) => whole(text, { least: 0, most: 10_000 })),
    volatileLine: read("volatile-line", mbit),
    quotaBytes: read("quota", parseByteSize),
  };
  if (problems.length > 0) throw new UsageError(problems);
  return options;
}

function whole(text: string, { least, most }: { readonly least: number; readonly most: number }): number {
  const value = Number(text);
  if (/^\d{1,12}$/.test(text) && value >= least && value <= most) return value;
  throw new Error(`expected a whole number ${least}…${most}, got "${text}"`);
}

/** Mbit/s → bytes per second. */
function mbit(text: string): number {
  const value = Number(text);
  if (/^\d{1,7}(?:\.\d{1,3})?$/.test(text) && value > 0) return value * BYTES_PER_MBIT;
  throw new Error(`expected Mbit/s above 0 with three decimals at most, got "${text}"`);
}

function lingerSeconds(text: string): number {
  if (text === "always") return Infinity;
  const seconds = parseDurationMs(text) / 1000;
  if (seconds > 0) return seconds;
  throw new Error(`expected a time above 0 or always, got "${text}"`);
}

function policyOf(text: string): PolicyName {
  const policy = POLICY_NAMES.find((name) => name === text);
  if (policy !== undefined) return policy;
  throw new Error(`expected one of ${POLICY_NAMES.join(", ")}, got "${text}"`);
}

/** Several values between commas, each once, in the order given. */
function list<T>(parse: (text: string) => T): (text: string) => readonly T[] {
  return (text) => [...new Set(text.split(",").map((part) => parse(part.trim())))];
}
