import { PrsyncError } from "../../core/errors.ts";

/** Configuration files that can't be used; the message lists every problem at once. */
export class ConfigError extends PrsyncError<"bad-config"> {
  /** Each with file and line, as far as known. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super("bad-config", problems.join("; "));
    this.problems = problems;
  }
}
