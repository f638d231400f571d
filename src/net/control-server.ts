import { chmodSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { messageOf, PrsyncError } from "../core/errors.ts";
import { openSocketPath } from "./control-path.ts";
import { NetError } from "./errors.ts";

/** What a running command may tell before its result. */
export interface ControlCall {
  /** Sent to the caller at once as a line of its own. Any JSON value. */
  progress(value: unknown): void;
  /** Aborted when the caller leaves. */
  readonly signal: AbortSignal;
}

/** @param argument JSON value from the caller, not yet checked */
export type ControlHandler = (argument: unknown, call: ControlCall) => Promise<unknown>;

const MAX_ARGUMENT_LENGTH = 64 * 1024;

/**
 * Lets commands of the same directory reach this program: HTTP and JSON over a unix socket that only its user may open.
 * `POST /NAME` with a JSON body; the answer is JSON lines: any number of `{"progress":…}`, then `{"result":…}` or
 * `{"error":{"code","message"}}`. The caller holds the directory's lock, so a socket that is there already is a dead one.
 *
 * @throws NetError `listen-failed`
 */
export async function listenControl(
  socketPath: string,
  handlers: ReadonlyMap<string, ControlHandler>,
): Promise<AsyncDisposable> {
  const address = openSocketPath(socketPath);
  const server = createServer((request, response) => {
    response.on("error", () => response.destroy());
    answer(handlers, request, response).catch(() => response.destroy());
  });
  try {
    rmSync(socketPath, { force: true });
    await listen(server, address.path);
    chmodSync(socketPath, 0o600);
  } catch (error) {
    address[Symbol.dispose]();
    throw new NetError("listen-failed", `control socket "${socketPath}" can't be made: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return {
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
      address[Symbol.dispose]();
    },
  };
}

async function answer(
  handlers: ReadonlyMap<string, ControlHandler>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const aborter = new AbortController();
  response.once("close", () => aborter.abort());
  response.writeHead(200, { "Content-Type": "application/jsonl" });
  const send = (line: unknown): boolean => response.destroyed || response.write(`${JSON.stringify(line)}\n`);
  try {
    const handler = handlers.get(request.url?.slice(1) ?? "");
    if (handler === undefined) throw new NetError("unknown-command", `this program knows no command ${request.url}`);
    const argument: unknown = JSON.parse((await readBody(request)) || "null");
    const call = { progress: (value: unknown) => void send({ progress: value }), signal: aborter.signal };
    send({ result: (await handler(argument, call)) ?? null });
  } catch (error) {
    const code = error instanceof PrsyncError ? String(error.code) : "internal";
    send({ error: { code, message: messageOf(error) } });
  }
  response.end();
}

function readBody(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    request.setEncoding("utf8");
    request.on("data", (part: string) => {
      text += part;
      if (text.length <= MAX_ARGUMENT_LENGTH) return;
      reject(new NetError("bad-message", "the argument of a command is too long"));
      request.destroy();
    });
    request.on("error", reject);
    request.on("end", () => resolve(text));
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      // Later errors (no descriptors left) concern one connection, not the program.
      server.on("error", () => undefined);
      resolve();
    });
  });
}
