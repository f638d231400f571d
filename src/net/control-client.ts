import { type IncomingMessage, request as httpRequest } from "node:http";
import { createInterface } from "node:readline";
import { isSystemError, messageOf } from "../core/errors.ts";
import { openSocketPath, type SocketPath } from "./control-path.ts";
import { NetError } from "./errors.ts";

export interface ControlRequest {
  readonly command: string;
  /** JSON value; null if left out. */
  readonly argument?: unknown;
  readonly onProgress?: (value: unknown) => void;
  readonly signal?: AbortSignal;
}

/** `not-running`: no program listens there; the caller takes the lock and works itself. */
export type ControlAnswer =
  | { readonly kind: "result"; readonly result: unknown }
  | { readonly kind: "failed"; readonly code: string; readonly message: string }
  | { readonly kind: "not-running" };

/**
 * Asks the program that runs for a directory (see `listenControl`).
 *
 * @throws NetError `control-failed` if it was reached but gave no answer; the signal's reason if aborted
 */
export async function callControl(socketPath: string, request: ControlRequest): Promise<ControlAnswer> {
  let address: SocketPath;
  try {
    address = openSocketPath(socketPath);
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return { kind: "not-running" };
    throw error;
  }
  try {
    return await readAnswer(await send(address.path, request), request);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ECONNREFUSED")) return { kind: "not-running" };
    if (request.signal?.aborted === true || error instanceof NetError) throw error;
    throw new NetError("control-failed", `the running program gave no answer: ${messageOf(error)}`, { cause: error });
  } finally {
    address[Symbol.dispose]();
  }
}

function send(path: string, { command, argument, signal }: ControlRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const options = { socketPath: path, path: `/${command}`, method: "POST", agent: false as const };
    const call = httpRequest(signal === undefined ? options : { ...options, signal }, resolve);
    call.on("error", reject);
    call.end(JSON.stringify(argument ?? null));
  });
}

async function readAnswer(response: IncomingMessage, request: ControlRequest): Promise<ControlAnswer> {
  for await (const line of createInterface({ input: response, crlfDelay: Infinity })) {
    const message = JSON.parse(line) as {
      readonly progress?: unknown;
      readonly result?: unknown;
      readonly error?: { readonly code: string; readonly message: string };
    };
    if (message.error !== undefined) return { kind: "failed", ...message.error };
    if ("result" in message) return { kind: "result", result: message.result };
    request.onProgress?.(message.progress);
  }
  throw new NetError("control-failed", "the running program ended before it answered");
}
