import { once } from "node:events";
import { spawn, type ChildProcess } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { acquireLock, type Lock } from "../../../src/store/lock.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

async function lockIn(path: string): Promise<Lock> {
  const result = await acquireLock(path, { command: "prsync sync" });
  if ("heldBy" in result) throw new Error(`held by ${JSON.stringify(result.heldBy)}`);
  return result;
}

/** Another process that holds the lock until it is killed. */
async function holdingProcess(path: string): Promise<ChildProcess> {
  const module = new URL("../../../src/store/lock.ts", import.meta.url).href;
  const script = `
    import { acquireLock } from ${JSON.stringify(module)};
    globalThis.lock = await acquireLock(${JSON.stringify(path)}, { command: "prsync daemon" });
    console.log("heldBy" in globalThis.lock ? "refused" : "locked");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  expect(line.toString().trim()).toBe("locked");
  return child;
}

test("a second holder in the same process is refused and told who holds it", async () => {
  const path = join(temporaryDirectory(), "lock.sqlite");
  await using _lock = await lockIn(path);
  const second = await acquireLock(path, { command: "prsync status" });
  expect(second).toEqual({ heldBy: { pid: process.pid, command: "prsync sync" } });
  // The refused attempt must not have dropped the lock of the process.
  const third = await acquireLock(path, { command: "prsync status" });
  expect("heldBy" in third).toBe(true);
  expect(fs.statSync(path).mode & 0o777).toBe(0o600);
});

test("the lock is free again after dispose, and disposing twice is harmless", async () => {
  const path = join(temporaryDirectory(), "lock.sqlite");
  const lock = await lockIn(path);
  await lock[Symbol.asyncDispose]();
  await lock[Symbol.asyncDispose]();
  expect(fs.existsSync(`${path}.holder`)).toBe(false);
  await using _again = await lockIn(path);
});

test("another process is kept out; kill -9 releases the lock at once", async () => {
  const path = join(temporaryDirectory(), "lock.sqlite");
  const child = await holdingProcess(path);
  expect(await acquireLock(path, { command: "x" })).toEqual({ heldBy: { pid: child.pid, command: "prsync daemon" } });
  child.kill("SIGKILL");
  await once(child, "exit");
  await using _lock = await lockIn(path);
});

test("a lock that can't be made says so", async () => {
  const path = join(temporaryDirectory(), "missing/lock.sqlite");
  await expect(acquireLock(path, { command: "x" })).rejects.toMatchObject({ code: "state-unsafe" });
});

test("a lock is let go where the note of who holds it can't be removed", async () => {
  const path = join(temporaryDirectory(), "lock.sqlite");
  const lock = await lockIn(path);
  fs.rmSync(`${path}.holder`);
  fs.mkdirSync(`${path}.holder`);
  await lock[Symbol.asyncDispose]();
  fs.rmdirSync(`${path}.holder`);
  await using _next = await lockIn(path);
});

/** Written over what SQLite reads: no database, one of WAL whose log is missing, one of a single torn page. */
const DAMAGES: readonly (readonly [what: string, bytes: Buffer])[] = [
  ["no database", Buffer.alloc(100, 0xa5)],
  [
    "a head alone",
    Buffer.concat([Buffer.from("SQLite format 3\0\x10\0\x02\x02\0\x40\x20\x20", "latin1"), Buffer.alloc(4096, 1)]),
  ],
  ["shorter than a head", Buffer.from("SQLite")],
];

test.each(DAMAGES)("a lock file of damaged bytes (%s) is taken all the same, and by one only", async (_, bytes) => {
  const path = join(temporaryDirectory(), "lock.sqlite");
  fs.writeFileSync(path, bytes);
  const child = await holdingProcess(path);
  expect(await acquireLock(path, { command: "x" })).toMatchObject({ heldBy: { pid: child.pid } });
  // Damaged while it is held, and emptied as whoever found it damaged before it was held would.
  fs.writeFileSync(path, bytes);
  expect(await acquireLock(path, { command: "x" })).toMatchObject({ heldBy: { pid: child.pid } });
  fs.truncateSync(path, 0);
  expect(await acquireLock(path, { command: "x" })).toMatchObject({ heldBy: { pid: child.pid } });
  child.kill("SIGKILL");
  await once(child, "exit");
  fs.writeFileSync(path, bytes);
  await using _lock = await lockIn(path);
});
