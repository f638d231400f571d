import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { accessLog } from "../../../bench/support/access-log.ts";
import { seededRandom } from "../../../src/core/clock.ts";
import { parseFileGroups } from "../../../src/manifest/file-groups.ts";
import type { AnalysisReport } from "../../../src/analyze/analysis-report.ts";
import { parseArguments, UsageError } from "../../../src/cli/arguments.ts";
import { analyzeCommand } from "../../../src/cli/commands/analyze.ts";
import { runCommand } from "../../support/run-command.ts";

const run = (...words: string[]): ReturnType<typeof runCommand> => runCommand(analyzeCommand, words);

const lines = [...accessLog({ lines: 3000, seed: 3, files: 300, clients: 100, days: 9 })];
const [old, middle, young] = [0, 1000, 2000].map((from) => lines.slice(from, from + 1000).join(""));

test("logs newest first, packed or not, are reported as one log in order", async () => {
  const directory = temporary();
  const names = ["access.log", "access.log.1.zst", "access.log.2.gz"].map((name) => join(directory, name));
  writeFileSync(names[0]!, young!);
  writeFileSync(names[1]!, zstdCompressSync(middle!));
  writeFileSync(names[2]!, gzipSync(old!));
  writeFileSync(join(directory, "whole.log"), lines.join(""));
  const rotated = await run(...names, "--json");
  const whole = await run(join(directory, "whole.log"), "--json", "--html", join(directory, "report.html"));
  expect(readFileSync(join(directory, "report.html"), "utf8")).toMatch(/^<!DOCTYPE html>[^]*<svg[^]*<\/html>\n$/);
  expect(JSON.parse(rotated.printed)).toEqual(JSON.parse(whole.printed));
  expect((JSON.parse(whole.printed) as AnalysisReport).lines.downloads).toBeGreaterThan(2000);
});

test("a pipe is read from its first byte, after the logs that are files", async () => {
  const directory = temporary();
  const [pipe, file] = [join(directory, "pipe"), join(directory, "access.log")];
  execFileSync("mkfifo", [pipe]);
  writeFileSync(file, old! + middle!);
  writeFileSync(join(directory, "whole.log"), lines.join(""));
  const [, piped] = await Promise.all([writeFile(pipe, young!), run(pipe, file, "--json")]);
  const whole = await run(join(directory, "whole.log"), "--json");
  expect(JSON.parse(piped.printed)).toEqual(JSON.parse(whole.printed));
});

test("a directory among the logs is named", async () => {
  const directory = temporary();
  await expect(run(directory)).rejects.toThrow(`EISDIR: illegal operation on a directory, read "${directory}"`);
});

test("a damaged log is read as far as it goes, and named", async () => {
  const path = join(temporary(), "access.log.gz");
  const packed = gzipSync(lines.join(""));
  writeFileSync(path, packed.subarray(0, packed.length >> 1));
  const { code, printed, complaints } = await run(path, "--json");
  expect(code).toBe(0);
  // The line in which it ends is none.
  const { lines: counts, formats } = JSON.parse(printed) as AnalysisReport;
  expect(counts.downloads).toBeGreaterThan(1000);
  expect(counts).toMatchObject({ malformed: 0 });
  expect(formats.common).toBe(0);
  expect(complaints).toEqual([`prsync: "${path}" is damaged, read as far as it goes: unexpected end of file`]);
});

test("where reports go is looked at before the work", async () => {
  const directory = temporary();
  const log = join(directory, "access.log");
  writeFileSync(log, young!);
  const refused: unknown = await run(log, "--html", directory, "--groups", join(directory, "no", "g")).catch(
    (error: unknown) => error,
  );
  expect(refused).toBeInstanceOf(UsageError);
  expect((refused as UsageError).problems).toEqual([
    `--html: "${directory}" is a directory`,
    expect.stringMatching(/^--groups: ENOENT: .*\/no'$/),
  ]);
  expect((await run(log, "--html", join(directory, "new.html"))).code).toBe(0);
});

test("lines of rsyncd without a transfer: its log format is another one", async () => {
  const log = join(temporary(), "rsyncd.log");
  const connect = "2026/05/10 00:00:00 [1] connect from localhost (127.0.0.1)\n";
  writeFileSync(log, `${connect}2026/05/10 00:00:01 [1] pool/a.deb 400000\n`);
  expect((await run(log)).complaints).toEqual([expect.stringContaining('"log format" is not its default')]);
  writeFileSync(log, `${connect}2026/05/10 00:00:01 [1] send localhost [192.0.2.77] pool () a.deb 400000\n`);
  expect((await run(log)).complaints).toEqual([]);
});

test.skipIf(process.getuid!() !== 0)(
  "what can't be read of a tree is told with the reason, ten times at most",
  async () => {
    const tree = temporary();
    chmodSync(tree, 0o755);
    writeFileSync(join(tree, "good"), "x");
    mkdirSync(join(tree, "closed"), 0o700);
    for (let n = 10; n < 22; n++) writeFileSync(join(tree, `secret ${n}`), "x", { mode: 0o600 });
    process.seteuid!(65_534);
    onTestFinished(() => process.seteuid!(0));
    const { printed, complaints } = await run("--tree", tree);
    process.seteuid!(0);
    expect(printed).toMatch(/files +1, 1 B; 13 unreadable/);
    expect(complaints).toHaveLength(11);
    expect(complaints[0]).toMatch(/^prsync: "closed" can't be read: EACCES: permission denied/);
    expect(complaints[1]).toMatch(/^prsync: "secret 10" can't be read: EACCES: permission denied/);
    expect(complaints[10]).toBe("prsync: 3 more files can't be read");
  },
);

test("a tree is read with and without a log: identical, alike, alike when unpacked", async () => {
  const directory = temporary();
  const noise = (seed: number, length: number): Buffer => {
    const random = seededRandom(seed);
    return Buffer.from(Array.from({ length }, () => Math.floor(256 * random())));
  };
  const [one, other] = [noise(1, 1_200_000), noise(2, 600_000)];
  // Letters pack well, so that zlib has something to do.
  const text = Buffer.from(noise(3, 600_000).map((byte) => 97 + (byte % 16)));
  const tree = join(directory, "tree");
  mkdirSync(join(tree, "b"), { recursive: true });
  writeFileSync(join(tree, "a.deb"), one);
  writeFileSync(join(tree, "b", "same.deb"), one);
  writeFileSync(join(tree, "b", "variant.deb"), Buffer.concat([one.subarray(0, 600_000), other]));
  writeFileSync(join(tree, "c-1.tar.gz"), gzipSync(text));
  writeFileSync(join(tree, "c-2.tar.gz"), gzipSync(Buffer.concat([Buffer.from("changed"), text])));
  const log = join(directory, "log");
  writeFileSync(log, lines.join(""));
  const both = JSON.parse((await run(log, "--tree", tree, "--json")).printed) as AnalysisReport;
  const { tree: found, lines: counts } = both;
  expect(counts.downloads).toBeGreaterThan(2000);
  expect(found).toMatchObject({ files: 5, unreadable: 0, identical: { largeFiles: 3, files: 1, bytes: 1_200_000 } });
  expect(found!.savings.dedupeBytes).toBe(1_200_000);
  expect(found!.savings.deltaBytes / 600_000).toBeGreaterThan(0.5);
  expect(found!.savings.deltaBytes / 600_000).toBeLessThan(1.5);
  expect(found!.savings.lookInsideBytes).toBeGreaterThan(0.6 * gzipSync(text).length);
  const alone = await run("--tree", tree, "--html", join(directory, "report.html"));
  expect(alone.printed).toMatch(/identical ones +1, 33\.3 %/);
  expect(alone.printed).not.toContain("Clients' tools");
  expect(readFileSync(join(directory, "report.html"), "utf8")).toContain("Tree: versions and variants");
});

test("groups are written as publish reads them", async () => {
  const path = join(temporary(), "groups.json");
  const log = join(temporary(), "log");
  const rows = Array.from({ length: 60 }, (_, n) => {
    const file = ["/pool/a%2Bb.deb", "/pool/c.deb", "/pool/lone.deb"][n % 3]!;
    const client = n % 3 === 2 ? 100 + n : Math.floor(n / 3);
    return `192.0.2.${client} - - [10/May/2026:00:00:00 +0000] "GET ${file} HTTP/1.1" 200 10`;
  });
  writeFileSync(log, rows.join("\n"));
  await run(log, "--groups", path);
  expect(parseFileGroups(readFileSync(path, "utf8")).map((files) => files.toSorted())).toEqual([
    ["pool/a+b.deb", "pool/c.deb"],
  ]);
});

test("strangers' requests and rsyncd's raw names become groups that publish takes", async () => {
  const path = join(temporary(), "groups.json");
  const log = join(temporary(), "log");
  const asked = ["/", "/100%.deb", "/pool/%zz", "/../etc/passwd", "/pool/a%2Bb.deb", "/pool/"];
  const sent = ["100%.deb", "a%2Bb", "caf\u00e9 au lait.deb"];
  const rows = Array.from({ length: 10 }, (_, n) => [
    ...asked.map((file) => `192.0.2.${n} - - [10/May/2026:00:00:00 +0000] "GET ${file} HTTP/1.1" 200 10`),
    ...sent.map((file) => `2026/05/10 00:00:00 [7] send host [198.51.100.${n}] deb () pool/${file} 10`),
  ]).flat();
  writeFileSync(log, rows.join("\n"));
  const { printed } = await run(log, "--groups", path, "--json");
  const inTree = ["deb/pool/100%.deb", "deb/pool/a%2Bb", "deb/pool/caf\u00c3\u00a9 au lait.deb"];
  for (const text of [readFileSync(path, "utf8"), printed])
    expect(
      parseFileGroups(text)
        .map((files) => files.toSorted())
        .toSorted(),
    ).toEqual([inTree, ["pool/a+b.deb"]]);
});

test("without a log and a tree it is wrong use, a missing one is the system's error", async () => {
  await expect(run("--json")).rejects.toThrow(UsageError);
  expect(() => parseArguments(["a", ""], analyzeCommand)).toThrow("LOG is empty");
  await expect(run("/nowhere/access.log")).rejects.toMatchObject({ code: "ENOENT" });
});

function temporary(): string {
  const path = mkdtempSync(join(tmpdir(), "prsync-analyze-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
