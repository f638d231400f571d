import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { extname, join } from "node:path";
import { RunningProgram, runPrsync, runPrsyncJson } from "../../test/support/program.ts";
import { rsyncDifferences } from "../../test/support/rsync-referee.ts";
import type { DeltaRun, DeltaTool } from "./delta-tools.ts";

interface SyncDocument {
  readonly bytes: { readonly received: number };
  readonly seconds: number;
}

/**
 * `prsync publish`, `serve` and `sync` of a tree that holds nothing but the pair's file, with more words for `sync`. The bytes are all
 * that `sync` read from its sockets: signature, contents, framing and the fixed cost of a sync; its requests are not in them.
 */
export function prsyncPrograms(...words: readonly string[]): DeltaTool {
  return async ({ basis, target }, scratch) => {
    const [tree, destination, env] = freshDirectories(scratch);
    const published = join(tree, `file${extname(target)}`); // publishing looks inside by the name's end
    copyFileSync(basis, published);
    await runPrsyncJson(["publish", tree], { env });
    await using central = await RunningProgram.start(
      ["serve", tree, "--listen", "127.0.0.1:0", "--peer-port", "0", "--announce-interval", "10s"],
      { env },
    );
    const invited = await runPrsync(["invite", tree, "mirror", "--url", central.ready.http], { env });
    const sync = async (...options: readonly string[]): Promise<SyncDocument> =>
      await runPrsyncJson<SyncDocument>(["sync", invited.stdout.trim(), destination, "--linger", "0s", ...options], {
        env,
      });
    await sync();
    copyFileSync(target, published);
    await runPrsyncJson(["publish", tree], { env });
    const { bytes, seconds } = await sync(...words);
    const differences = await rsyncDifferences(tree, destination);
    if (differences !== "") throw new Error(`the mirror differs from the tree:\n${differences}`);
    return wholeRun(bytes.received, seconds);
  };
}

function wholeRun(totalBytes: number, wallSeconds: number): DeltaRun {
  return {
    signatureBytes: undefined,
    literalBytes: undefined,
    framingBytes: undefined,
    totalBytes,
    wallSeconds,
    cpuSeconds: undefined,
  };
}

function freshDirectories(scratch: string): [tree: string, destination: string, env: Record<string, string>] {
  const root = join(scratch, "prsync-programs");
  rmSync(root, { recursive: true, force: true });
  const [tree, destination] = [join(root, "tree"), join(root, "mirror")];
  mkdirSync(tree, { recursive: true });
  return [tree, destination, { PRSYNC_STATE_HOME: join(root, "state") }];
}
