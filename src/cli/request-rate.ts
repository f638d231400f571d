import type { RequestRate } from "../delivery/request-budget.ts";
import { DEFAULT_REQUEST_RATE } from "../net/http-server-rates.ts";
import type { ParsedArguments } from "./arguments.ts";
import type { OptionSpec } from "./option-spec.ts";

/** Of the programs that serve customers. */
export const REQUEST_RATE_OPTION: OptionSpec = {
  name: "request-rate",
  kind: "number",
  placeholder: "N",
  help: `files a second that one address may ask for, ten times as many at once (default ${DEFAULT_REQUEST_RATE.perSecond}; 0: no limit)`,
};

/** A client that was quiet may ask for what it could have in so many seconds. */
const BURST_SECONDS = 10;

/** Undefined: no limit. */
export function requestRateOf(args: ParsedArguments): RequestRate | undefined {
  const perSecond = args.number("request-rate");
  if (perSecond === undefined) return DEFAULT_REQUEST_RATE;
  return perSecond === 0 ? undefined : { perSecond, burst: BURST_SECONDS * perSecond };
}
