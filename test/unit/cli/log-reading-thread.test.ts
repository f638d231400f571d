import { expect, test } from "vitest";
import { LogReadingThread } from "../../../src/cli/log-reading-thread.ts";

const line = '192.0.2.1 - - [10/May/2026:00:00:00 +0000] "GET /a HTTP/1.1" 200 10\n';
const chunk = Buffer.from(line.repeat(4000));
const { signal } = new AbortController();

test("logs are counted whole, one after the other", async () => {
  let downloads = 0;
  await using thread = new LogReadingThread(({ requests }) => void (downloads += requests));
  await thread.readLog(log(3), signal);
  expect(downloads).toBe(12_000);
  await thread.readLog(log(1), signal);
  expect(downloads).toBe(16_000);
});

test("a thread that ends early fails the log with a code, and all after it", async () => {
  let ended: Promise<void> | undefined;
  await using thread = new LogReadingThread(() => void (ended ??= thread[Symbol.asyncDispose]()));
  await expect(thread.readLog(log(Infinity), signal)).rejects.toMatchObject({ code: "log-thread-failed" });
  await ended;
  await expect(thread.readLog(log(1), signal)).rejects.toMatchObject({ code: "log-thread-failed" });
});

test("what goes wrong in counting fails the log", async () => {
  await using thread = new LogReadingThread(() => {
    throw new Error("miscounted");
  });
  await expect(thread.readLog(log(Infinity), signal)).rejects.toThrow("miscounted");
});

async function* log(chunks: number): AsyncGenerator<Uint8Array> {
  for (let n = 0; n < chunks; n++) {
    yield chunk;
    // As a file does: what the thread says comes in between.
    await new Promise((turned) => setImmediate(turned));
  }
}
