import { setTimeout as sleep } from "node:timers/promises";
import type { HttpResponse } from "./http-client.ts";

/** As long as central says at least in `Retry-After`. */
const WAIT_MS = 1_000;
/** As often as somebody is told to ask later (429) before giving up: others behind the same address may ask, too. */
const MOST_WAITS = 30;

/** Asks again as long as central has enough of this address: the last answer. @throws what `ask` throws; the signal's reason */
export async function patiently(
  ask: () => Promise<HttpResponse>,
  signal: AbortSignal,
  waitMs: number = WAIT_MS,
): Promise<HttpResponse> {
  for (let waits = 0; ; waits++) {
    const response = await ask();
    if (response.status !== 429 || waits >= MOST_WAITS) return response;
    await sleep(waitMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}
