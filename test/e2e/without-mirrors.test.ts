import { existsSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { DOWNLOAD_TOOLS } from "../support/download-tools.ts";
import { LoopbackCentral } from "../support/loopback-central.ts";
import { makeRpmRepository, whyNoRepositories } from "../support/package-repositories.ts";

const dnf = DOWNLOAD_TOOLS.find(({ name }) => name === "dnf")!;
const missing = whyNoRepositories() ?? (existsSync(dnf.command) ? undefined : "needs dnf");
const needs = missing === undefined ? "" : ` (skipped: ${missing})`;

describe.skipIf(missing !== undefined)(`a central that nobody mirrors${needs}`, () => {
  test("serves dnf by its metalink, which names central", async () => {
    await using central = new LoopbackCentral("without-mirrors");
    const rpm = await makeRpmRepository(central.tree);
    await central.publish();
    await central.serve();
    const directory = mkdtempSync(join(central.directory, "dnf-"));
    const none = { path: "", packages: [] };
    await dnf.fetch({ url: central.url, path: "", keyring: "", rpm, debian: none, pacman: none }, directory);
    const wanted = rpmsBelow(central.tree);
    expect(wanted).toHaveLength(rpm.packages.length);
    expect(rpmsBelow(directory)).toEqual(wanted);
  }, 60_000);
});

/** Name and bytes of each. */
function rpmsBelow(directory: string): readonly (readonly [string, Buffer])[] {
  const entries = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".rpm"));
  return entries.map((path) => [basename(path), readFileSync(join(directory, path))] as const).sort();
}
