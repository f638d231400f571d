// Customers of bench/release-day-real, in a process of their own on a host of their own: `node release-day-customers.ts PLAN`. PLAN is JSON of
// CustomersPlan. A line on standard input, 0, 1 …, begins the requests of that part, each at its moment from then on; the end of it
// means that no more parts come. Each is a customer with an address of its own on the least busy line; it follows redirects, and tries once
// more if it was cut off. Prints a JSON line per request, in the order of their ends.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fetchAsCustomer } from "../../test/support/customer-fetch.ts";
import { CUSTOMER_LINES, customerAddress } from "./release-day-network.ts";

export interface PlannedRequest {
  readonly number: number;
  /** Since its part began. */
  readonly atSeconds: number;
  readonly url: string;
  readonly sha256: string;
}

export interface CustomersPlan {
  readonly parts: readonly (readonly PlannedRequest[])[];
}

/** What came of a request. */
export interface CustomerResult {
  readonly number: number;
  readonly seconds: number;
  /** Host and port that gave the last answer. */
  readonly from: string;
  readonly outcome: "right" | "wrong" | "failed";
  readonly tries: number;
}

const busy = new Uint16Array(CUSTOMER_LINES);

async function request({ number, atSeconds, url, sha256 }: PlannedRequest, beganMs: number): Promise<void> {
  await sleep(Math.max(0, beganMs + atSeconds * 1000 - performance.now()));
  const line = busy.indexOf(Math.min(...busy));
  busy[line]!++;
  const startMs = performance.now();
  let tries = 1;
  let fetched = await fetchAsCustomer(url, customerAddress(line, number));
  for (; fetched.kind !== "file" && tries < 2; tries++)
    fetched = await fetchAsCustomer(url, customerAddress(line, number));
  const outcome = fetched.kind !== "file" ? "failed" : fetched.sha256 === sha256 ? "right" : "wrong";
  busy[line]!--;
  const seconds = (performance.now() - startMs) / 1000;
  console.log(JSON.stringify({ number, seconds, from: fetched.from, outcome, tries } satisfies CustomerResult));
}

const { parts } = JSON.parse(readFileSync(process.argv[2]!, "utf8")) as CustomersPlan;
for await (const line of createInterface({ input: process.stdin })) {
  const beganMs = performance.now();
  for (const one of parts[Number(line)]!) void request(one, beganMs);
}
