import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { ownProgram } from "../own-program.ts";
import { ChildProgram, type ChildOptions } from "./child-program.ts";
import type { TransferRow } from "./transfer-table.ts";

/** A mirror of the demo: its name and its daemon. */
export interface DemoMirror {
  readonly name: string;
  readonly daemon: ChildProgram;
}

/** Invites a mirror and starts its daemon in `DIRECTORY/NAME`; the daemon ends when `scope` does. */
export async function startMirror(
  name: string,
  place: { readonly tree: string; readonly centralUrl: string; readonly directory: string },
  { options, scope }: { readonly options: ChildOptions; readonly scope: AsyncDisposableStack },
): Promise<DemoMirror> {
  const [node, main] = ownProgram();
  const words = [main!, "invite", place.tree, name, "--url", place.centralUrl];
  const { stdout } = await promisify(execFile)(node!, words, { env: options.env, signal: options.signal });
  const listen = ["--listen", "127.0.0.1:0", "--peer-port", "0"];
  const daemon = ChildProgram.prsync(["daemon", stdout.trim(), join(place.directory, name), ...listen], options);
  return { name, daemon: scope.use(daemon) };
}

/** Waits until each mirror holds the release and returns what each counted for it. */
export async function waitForRelease(mirrors: readonly DemoMirror[], release: number): Promise<TransferRow[]> {
  return await Promise.all(
    mirrors.map(async ({ name, daemon }) => {
      const synced = await daemon.waitFor((event) => event["event"] === "synced" && event["release"] === release);
      return { ...(synced as unknown as Omit<TransferRow, "mirror">), mirror: name };
    }),
  );
}
