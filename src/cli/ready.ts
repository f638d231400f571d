import { spawn } from "node:child_process";
import type { ParsedArguments } from "./arguments.ts";
import type { CommandContext } from "./command.ts";

/** Where a program listens, told once it is ready. */
export interface ReadyPlaces {
  /** URL. */
  readonly http: string | undefined;
  /** HOST:PORT. */
  readonly peer: string;
}

/** One line for people or a JSON line, and systemd if it started us. */
export function announceReady(
  name: string,
  places: ReadyPlaces,
  run: { readonly args: ParsedArguments; readonly context: CommandContext },
): void {
  const { args, context } = run;
  if (args.flag("json")) context.print(JSON.stringify({ event: "ready", ...places }));
  else
    context.print(`${name} is ready: ${places.http === undefined ? "no HTTP" : places.http}, peers at ${places.peer}`);
  notifySystemd(context, "--ready");
}

/** Node has no datagram unix sockets; systemd brings its own command for this. */
function notifySystemd(context: CommandContext, word: string): void {
  if (context.env["NOTIFY_SOCKET"] === undefined) return;
  const child = spawn("systemd-notify", [word], { stdio: "ignore" });
  child.on("error", (error) => context.complain(`prsync: warning: systemd was not told: ${error.message}`));
}

/** Resolves when the program is asked to end. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
