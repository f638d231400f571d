import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { formatByteSize } from "../../core/byte-size.ts";
import type { CommandContext } from "../command.ts";
import { ChildProgram, type ChildOptions } from "./child-program.ts";
import { CHANGES, makeFirstTree, makeSecondTree } from "./demo-tree.ts";
import { startMirror, waitForRelease } from "./demo-mirrors.ts";
import { fetchByWebtorrent, hasWebtorrent } from "./stock-client.ts";
import { describeOriginShare, formatTransferTable } from "./transfer-table.ts";

const MIRRORS = ["astro", "bio", "chem"] as const;

interface Published {
  readonly release: number;
  readonly counts: { readonly files: number; readonly bytes: number; readonly newBytes: number };
}

/** The demo from the first file to the last table. All it leaves lies in `directory`; its programs end with it. */
export async function runShow(directory: string, context: CommandContext): Promise<void> {
  const print = (line: string): void => context.print(line);
  const tree = join(directory, "tree");
  const env = { ...context.env, PRSYNC_STATE_HOME: join(directory, "state"), PRSYNC_TICKET: undefined };
  const options: ChildOptions = { env, signal: context.signal };
  print(`Everything lies in ${directory} and runs on 127.0.0.1.\n`);

  print("1. A tree of real files: this program, packages it uses, parts of the Node program as disc images.");
  mkdirSync(tree);
  makeFirstTree(tree);

  print("2. prsync publish: hash the files, cut bundles and block signatures, sign the release.");
  const first = await publish(tree, options);
  print(`   ${describePublished(first)}`);

  print("3. prsync serve --open: origin, tracker and HTTP server.");
  await using central = ChildProgram.prsync(
    ["serve", tree, "--listen", "127.0.0.1:0", "--peer-port", "0", "--announce-interval", "10s", "--open"],
    options,
  );
  const { http: centralUrl } = (await central.waitFor(isReady)) as unknown as { readonly http: string };
  print(`   ${centralUrl}, its status page: ${centralUrl}/.prsync/status`);

  print("4. prsync invite, prsync daemon: three empty mirrors, at the same time.");
  await using scope = new AsyncDisposableStack();
  const place = { tree, centralUrl, directory };
  const mirrors = await Promise.all(MIRRORS.map((name) => startMirror(name, place, { options, scope })));
  const firstRows = await waitForRelease(mirrors, first.release);
  print(`   all hold release ${first.release}.`);

  print("5. The tree changes:");
  for (const change of CHANGES) print(`     ${change}`);
  makeSecondTree(tree);
  const second = await publish(tree, options);
  print(`   ${describePublished(second)}`);
  const secondRows = await waitForRelease(mirrors, second.release);
  print(`   all hold release ${second.release}.`);

  print("\nWhat moved from where, as the mirrors counted it:\n");
  for (const line of formatTransferTable([...firstRows, ...secondRows])) print(line);
  print(`\n${describeOriginShare(firstRows, first.counts.newBytes)}`);
  print(describeOriginShare(secondRows, second.counts.newBytes));

  print(
    "\n6. An ordinary BitTorrent client (webtorrent) fetches the largest file of the newest bundle by its .torrent:",
  );
  print(`   ${await describeStockFetch({ ...place, directory: join(directory, "webtorrent") }, options)}`);
}

function isReady(event: Readonly<Record<string, unknown>>): boolean {
  return event["event"] === "ready";
}

async function publish(tree: string, options: ChildOptions): Promise<Published> {
  await using program = ChildProgram.prsync(["publish", tree], options);
  return (await program.document()) as unknown as Published;
}

function describePublished({ release, counts }: Published): string {
  return (
    `release ${release}: ${counts.files} files, ${formatByteSize(counts.bytes)}; ` +
    `${formatByteSize(counts.newBytes)} of them in contents that were not there before`
  );
}

async function describeStockFetch(
  place: { readonly centralUrl: string; readonly tree: string; readonly directory: string },
  options: ChildOptions,
): Promise<string> {
  if (!hasWebtorrent())
    return "skipped: webtorrent is not installed (a development dependency of the source checkout).";
  const { path, lengthBytes, seconds, isExact } = await fetchByWebtorrent(place, options);
  const verdict = isExact
    ? "its SHA-256 is the one of the published file"
    : "its SHA-256 DIFFERS from the published file";
  const text = `${path}, ${formatByteSize(lengthBytes)} in ${seconds.toFixed(1)} s: ${verdict}.`;
  if (!isExact) throw new Error(text);
  return text;
}
