import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

const MAIN = new URL("../../../src/cli/main.ts", import.meta.url).href;

/** Whether a run of the program loads Node's HTTP: that alone takes 40 ms, and what needs it takes several times that. */
function loadsHttp(...words: readonly string[]): string {
  const script = `process.argv = ["node", "prsync", ...${JSON.stringify(words)}];
    process.on("exit", () => console.log(process.moduleLoadList.includes("NativeModule http")));
    await import(${JSON.stringify(MAIN)});`;
  const child = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  return child.stdout.trim();
}

test("a publish of a directory starts without what other commands need", () => {
  expect(loadsHttp("publish", "/nowhere/tree", "--state", "/nowhere/state")).toBe("false");
  expect(loadsHttp("sync", "/nowhere/mirror", "--state", "/nowhere/state")).toBe("true");
});
