import { PrsyncError } from "../core/errors.ts";
import { callControl, type ControlRequest } from "../net/control-client.ts";

/** A running program refused or failed; `code` is that of its error, as docs/errors.md lists it. */
export class RunningProgramError extends PrsyncError {}

/**
 * Asks the program that runs for a directory. Undefined if none does.
 * @throws RunningProgramError, NetError `control-failed`; the signal's reason
 */
export async function askRunning(
  socketPath: string,
  request: ControlRequest,
): Promise<{ result: unknown } | undefined> {
  const answer = await callControl(socketPath, request);
  switch (answer.kind) {
    case "not-running":
      return undefined;
    case "failed":
      throw new RunningProgramError(answer.code, answer.message);
    case "result":
      return { result: answer.result };
  }
}
