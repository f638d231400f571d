import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DOWNLOAD_TOOLS, type DownloadScene, runTool } from "../support/download-tools.ts";
import { freePort } from "../support/free-port.ts";
import { LoopbackCentral } from "../support/loopback-central.ts";
import {
  makeDebianRepository,
  makePacmanRepository,
  makeRpmRepository,
  whyNoRepositories,
} from "../support/package-repositories.ts";
import { randomBytesOf, sha256Of } from "../support/sample-tree.ts";
import { flipBit, TamperingProxy } from "../support/tampering-proxy.ts";

const FILE_BYTES = 1_500_000;
/** Long enough for aria2 to fetch it from all three at once. */
const ROTTEN = { path: "files/rotten.iso", bytes: 6_000_000 };
const EXACT = "exact files, their bytes from mirrors alone";
const MIRRORS = ["one", "two", "rotten"];

const missing = whyNoRepositories();
const needs = missing === undefined ? "" : ` (skipped: ${missing})`;
const rows = DOWNLOAD_TOOLS.map((tool) => ({ tool, skipped: existsSync(tool.command) ? "" : " (skipped: missing)" }));

/** Central, two sound mirrors and one that gives wrong bytes of one file; each tool as its manual tells to call it. */
describe.skipIf(needs !== "")(`programs that know nothing of PRsync fetch from mirrors${needs}`, () => {
  const opened = new AsyncDisposableStack();
  const central = opened.use(new LoopbackCentral("downloads"));
  const keyring = join(central.directory, "archive.gpg");
  let repositories: Pick<DownloadScene, "debian" | "rpm" | "pacman">;
  let proxy: TamperingProxy;

  beforeAll(async () => {
    mkdirSync(join(central.tree, "files"));
    for (const [index, path] of rows.map((_, row) => pathOf(row)).entries()) write(path, index + 1, FILE_BYTES);
    write(ROTTEN.path, 99, ROTTEN.bytes);
    repositories = {
      debian: await makeDebianRepository(central.tree, keyring),
      rpm: await makeRpmRepository(central.tree),
      pacman: await makePacmanRepository(central.tree),
    };
    await central.publish();
    await central.serve(["--announce-interval", "10s", "--audit-interval", "0s", "--access-log", logOf("central")]);
    // Hosts of their own, as mirrors have: aria2 opens one connection per host, and counts its failures by host.
    const listen = await Promise.all(MIRRORS.map(async (_, index) => `127.0.0.${index + 2}:${await freePort()}`));
    proxy = opened.use(await TamperingProxy.start(`http://${listen[2]}`));
    proxy.replace(/^\/files\/rotten/, flipBit(1_000));
    const urls = [`http://${listen[0]}`, `http://${listen[1]}`, proxy.url];
    const started = MIRRORS.map(async (name, index) => {
      const words = ["--access-log", logOf(name), "--listen", listen[index]!, "--public-url", urls[index]!];
      const daemon = await central.daemon(name, words);
      opened.defer(async () => void (await daemon.stop()));
      return daemon;
    });
    for (const daemon of await Promise.all(started)) await daemon.waitFor(({ event }) => event === "synced");
  }, 120_000);

  afterAll(async () => {
    await opened.disposeAsync();
  });

  test("central finds all mirrors fit for customers", async () => {
    await expect.poll(rankedMirrors, { timeout: 30_000 }).toEqual([...MIRRORS].sort());
  });

  for (const [row, { tool, skipped }] of rows.entries()) {
    test.skipIf(skipped !== "")(`${tool.name}: ${EXACT}${skipped}`, async () => {
      // A name of its own for each try.
      const directory = mkdtempSync(join(central.directory, `row-${row}-`));
      await tool.fetch({ url: central.url, path: pathOf(row), keyring, ...repositories }, directory);
      const wanted = pathsOfTree(tool.fetched ?? new RegExp(`^${pathOf(row)}$`));
      expect(wanted).not.toEqual([]);
      for (const path of wanted) {
        expect(hashesNamed(directory, basename(path)), path).toEqual([published(path)]);
        await expect.poll(() => bytesSent(path, MIRRORS)).toBeGreaterThanOrEqual(sizeOf(path));
        // Who takes metalinks got one there.
        expect(bytesSent(path, ["central"]), path).toBeLessThan(sizeOf(path) / 100);
      }
    });
  }

  test("aria2 by a metalink: a mirror gives wrong bytes, the file ends right", async () => {
    const directory = mkdtempSync(join(central.directory, "rotten-row-"));
    // Slow enough for the last mirror to have its turn.
    const spread = ["--split=3", "--min-split-size=1M", "--max-download-limit=8M"];
    await runTool("aria2c", ["--no-conf", "-q", ...spread, "-d", directory, `${central.url}/${ROTTEN.path}.meta4`]);
    expect(hashesNamed(directory, basename(ROTTEN.path))).toEqual([published(ROTTEN.path)]);
    expect(proxy.replaced).not.toEqual([]);
    expect(bytesSent(ROTTEN.path, ["central"])).toBeLessThan(ROTTEN.bytes / 100);
  });

  function pathOf(row: number): string {
    return `files/row-${row}.iso`;
  }

  function write(path: string, seed: number, length: number): void {
    writeFileSync(join(central.tree, path), randomBytesOf(seed, length));
  }

  function pathsOfTree(pattern: RegExp): readonly string[] {
    return filesBelow(central.tree)
      .map((path) => relative(central.tree, path))
      .filter((path) => pattern.test(path));
  }

  function published(path: string): string {
    return sha256Of(readFileSync(join(central.tree, path)));
  }

  function sizeOf(path: string): number {
    return readFileSync(join(central.tree, path)).length;
  }

  function logOf(name: string): string {
    return join(central.directory, `${name}.access.log`);
  }

  /** Body bytes of a file that they sent, by their access logs. */
  function bytesSent(path: string, names: readonly string[]): number {
    const lines = names.flatMap((name) => readFileSync(logOf(name), "latin1").split("\n"));
    const sent = lines.map((line) => /"GET \/([^ ?]*)[^ ]* HTTP\/1\.[01]" 20[06] (\d+) /.exec(line));
    return sent.reduce((sum, match) => sum + (decodeURI(match?.[1] ?? "") === path ? Number(match![2]) : 0), 0);
  }

  async function rankedMirrors(): Promise<readonly string[]> {
    const answer = await fetch(`${central.url}/${ROTTEN.path}?explain=json`);
    const { ranked } = (await answer.json()) as { readonly ranked: readonly { readonly name: string }[] };
    return ranked.map(({ name }) => name).sort();
  }
});

/** SHA-256 of each file of this name below a directory. */
function hashesNamed(directory: string, name: string): readonly string[] {
  return filesBelow(directory)
    .filter((path) => basename(path) === name)
    .map((path) => sha256Of(readFileSync(path)));
}

function filesBelow(directory: string): readonly string[] {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
