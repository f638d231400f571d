import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launch, type Browser, type Page } from "puppeteer-core";
import { LoopbackCentral } from "../support/loopback-central.ts";
import { runPrsync } from "../support/program.ts";
import { randomBytesOf } from "../support/sample-tree.ts";

const CHROMIUM = "/usr/bin/chromium";
const PATIENCE = { timeout: 30_000 };
const needs = existsSync(CHROMIUM) ? "" : " (skipped: needs chromium)";

describe.skipIf(needs !== "")(`central's status page in a browser${needs}`, () => {
  const central = new LoopbackCentral("status-page");
  /** Whatever the page asked for or complained of. */
  const asked = new Set<string>();
  const complaints: string[] = [];
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    writeFileSync(join(central.tree, "file"), randomBytesOf(1, 100_000));
    await central.publish();
    await central.serve();
    // As root Chromium starts without its sandbox only; it sees nothing but our own page.
    browser = await launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
    page = await browser.newPage();
    page.on("request", (request) => asked.add(new URL(request.url()).origin));
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(`${central.url}/.prsync/status`, { waitUntil: "domcontentloaded" });
  });

  afterAll(async () => {
    await browser.close();
    await central[Symbol.asyncDispose]();
  });

  const shown = async (selector: string): Promise<string> =>
    String(await page.evaluate(`document.querySelector(${JSON.stringify(selector)}).textContent`));

  test("loads: release, no volunteers yet", async () => {
    expect(await shown("main")).toMatch(/Release 1 of .*: 1 files, 100\.0 kB/);
    expect(await shown("main")).toContain("Volunteers: 0 enrolled");
  });

  test("shows a volunteer that comes, what it gives and how a release spreads, without being loaded again", async () => {
    await page.evaluate("window.isOld = true");
    await central.invite("hidden");
    const words = ["invite", central.tree, "first", "--url", central.url, "--site", "<img src=x onerror=alert(1)>"];
    const ticket = (await runPrsync(words, { env: central.env })).stdout.trim();
    await using daemon = await central.daemon("first", [], ticket);
    await daemon.waitFor(({ event }) => event === "synced");
    await expect.poll(() => shown("#volunteers"), PATIENCE).toMatch(/first<img src=x onerror=alert\(1\)>enrolled1/);
    await expect.poll(() => shown("#releases"), PATIENCE).toMatch(/1 of 1/);
    expect(await shown("#volunteers")).toMatch(/hidden.*none: silent/);
    await fetch(`${central.url}/file`, { redirect: "manual" });
    await expect.poll(() => shown("#origins"), PATIENCE).toContain("1 requests, 1 of them sent to volunteers");
    expect(await page.evaluate("window.isOld")).toBe(true);
    const old = readFileSync(join(central.tree, "file"));
    writeFileSync(join(central.tree, "file"), Buffer.concat([old, randomBytes(5_000)]));
    await runPrsync(["publish", central.tree], { env: central.env });
    await daemon.waitFor(({ event, release }) => event === "synced" && release === 2);
    await expect
      .poll(() => shown("#origins"), PATIENCE)
      .toMatch(/: 0 B there already, .*, (9\d|100)\.\d kB as parts of other files/);
  });

  test("asks nobody but central for anything, and nothing is amiss", () => {
    expect([...asked]).toEqual([central.url]);
    expect(complaints).toEqual([]);
  });
});
