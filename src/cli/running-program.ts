import { callControl, type ControlRequest } from "../net/control-client.ts";
import { RunningProgramError } from "./running-program-error.ts";

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
