import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readFileIfExists, removeFileDurably, writeFileDurably } from "../../../src/store/durable-file.ts";
import { readKeyFile, readOrCreateKeyFile } from "../../../src/store/key-file.ts";
import { temporaryDirectory } from "../../support/trust-fixture.ts";

test("a durable write replaces the file, sets its mode and leaves nothing beside it", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "a");
  await writeFileDurably(path, "old", { mode: 0o644 });
  await writeFileDurably(path, Buffer.from("new"), { mode: 0o600 });
  expect(await readFile(path, "utf8")).toBe("new");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(directory.path)).toEqual(["a"]);
});

test("a write that fails keeps the old thing and leaves no part", async () => {
  await using directory = await temporaryDirectory();
  await mkdir(join(directory.path, "a", "b"), { recursive: true });
  const failing = writeFileDurably(join(directory.path, "a"), "x", { mode: 0o600 });
  await expect(failing).rejects.toMatchObject({ name: "StoreError", code: "state-unsafe" });
  expect(await readdir(directory.path)).toEqual(["a"]);
  const nowhere = writeFileDurably(join(directory.path, "none", "a"), "x", { mode: 0o600 });
  await expect(nowhere).rejects.toMatchObject({ name: "StoreError" });
});

test("what is not there is undefined or false", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "a");
  expect(await readFileIfExists(path)).toBeUndefined();
  expect(await removeFileDurably(path)).toBe(false);
  await writeFileDurably(path, "", { mode: 0o600 });
  expect(await removeFileDurably(path)).toBe(true);
  expect(await readFileIfExists(path)).toBeUndefined();
});

test("a key file is made once, private, and read back", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "identity.pem");
  expect(await readKeyFile(path)).toBeUndefined();
  const made = await readOrCreateKeyFile(path);
  expect((await readOrCreateKeyFile(path)).publicKeyText).toBe(made.publicKeyText);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test("a directory or garbage in place of a key is refused", async () => {
  await using directory = await temporaryDirectory();
  await expect(readKeyFile(directory.path)).rejects.toMatchObject({ code: "state-unsafe" });
  const path = join(directory.path, "key.pem");
  await writeFileDurably(path, "garbage", { mode: 0o600 });
  await expect(readKeyFile(path)).rejects.toMatchObject({ code: "bad-key" });
  await writeFileDurably(path, Buffer.alloc(5000), { mode: 0o600 });
  await expect(readKeyFile(path)).rejects.toMatchObject({ code: "state-unsafe" });
});
