import { expect, test } from "vitest";
import type { HttpResponse } from "../../../src/net/http-client.ts";
import { patiently } from "../../../src/net/patiently.ts";
import { TrustFetcher } from "../../../src/net/trust-fetcher.ts";

const NEVER = new AbortController().signal;

/** Answers 429 so many times, then 200. */
class BusyCentral {
  asked = 0;
  readonly #refusals: number;

  constructor(refusals: number) {
    this.#refusals = refusals;
  }

  async get(): Promise<HttpResponse> {
    const status = this.asked++ < this.#refusals ? 429 : 200;
    return { status, headers: {}, body: Buffer.from("{}"), receivedBytes: 2 };
  }
}

test("who is told to ask later does, and gives up after thirty times", async () => {
  const central = new BusyCentral(30);
  expect((await patiently(() => central.get(), NEVER, 1)).status).toBe(200);
  const busier = new BusyCentral(1_000);
  expect([(await patiently(() => busier.get(), NEVER, 1)).status, busier.asked]).toEqual([429, 31]);
});

test("other refusals are answers", async () => {
  let asked = 0;
  const ask = async (): Promise<HttpResponse> => ({ status: 503, body: Buffer.from(`${asked++}`) }) as HttpResponse;
  expect([(await patiently(ask, NEVER, 1)).status, asked]).toEqual([503, 1]);
});

test("who waits can be stopped", async () => {
  const abort = new AbortController();
  const central = new BusyCentral(1_000);
  const asked = patiently(() => central.get(), abort.signal, 60_000);
  setTimeout(() => abort.abort(new Error("stopped")), 10);
  await expect(asked).rejects.toThrow("stopped");
});

test("metadata of trust is waited for like any other", async () => {
  const central = new BusyCentral(1);
  const fetcher = new TrustFetcher(central, { deadlineMs: 1_000, minBytesPerSecond: 1, signal: NEVER });
  const bytes = await fetcher.downloadBytes("http://central.example.org/.prsync/tuf/timestamp.json", 100);
  expect([bytes.toString(), central.asked, fetcher.failure]).toEqual(["{}", 2, undefined]);
});
