import { z } from "zod";
import type { HttpClient } from "../net/http-client.ts";
import { parseJson } from "./json-body.ts";
import { SyncError } from "./errors.ts";

/** Central told that a release is there. */
export interface ReleaseEvent {
  readonly release: number;
  /** timestamp.json, still to be verified. */
  readonly timestamp: Uint8Array;
  /** Wait a random time up to this, so that mirrors do not come all at once. */
  readonly spreadMs: number;
}

const eventSchema = z.object({
  release: z.int().positive(),
  timestamp: z.base64(),
  spreadMs: z.number().min(0).max(600_000),
});

const MAX_EVENT_CHARACTERS = 256 * 1024;
/** Central sends a comment every 15 s; a stream this silent is dead. */
const SILENCE_MS = 45_000;

/**
 * Follows `/.prsync/events` (server-sent events) until the connection ends or `signal` aborts.
 * @throws SyncError `central-refused`, NetError; the end of the stream is an ordinary return
 */
export async function* releaseEvents(
  http: HttpClient,
  centralUrl: string,
  signal: AbortSignal,
): AsyncGenerator<ReleaseEvent, void> {
  await using stream = await http.stream(`${centralUrl}/.prsync/events`, {
    maxBytes: Infinity,
    deadlineMs: Infinity,
    signal,
    // One byte in each window of silence is enough: comments count.
    minBytesPerSecond: 1 / SILENCE_MS,
    rateWindowMs: SILENCE_MS,
  });
  if (stream.status !== 200)
    throw new SyncError("central-refused", `central answered ${stream.status} when asked for events`);
  let text = "";
  const decoder = new TextDecoder();
  for await (const bytes of stream.body) {
    text += decoder.decode(bytes, { stream: true });
    const blocks = text.split(/\r?\n\r?\n/);
    text = blocks.pop()!;
    if (text.length > MAX_EVENT_CHARACTERS) throw new SyncError("central-refused", "central sent an event without end");
    for (const block of blocks) {
      const event = parseBlock(block);
      if (event !== undefined) yield event;
    }
  }
}

function parseBlock(block: string): ReleaseEvent | undefined {
  const fields = new Map<string, string>();
  for (const line of block.split(/\r?\n/)) {
    const match = /^(event|data):\s?(.*)$/.exec(line);
    if (match !== null) fields.set(match[1]!, (fields.get(match[1]!) ?? "") + match[2]!);
  }
  if (fields.get("event") !== "release") return undefined;
  const parsed = eventSchema.safeParse(parseJson(Buffer.from(fields.get("data") ?? "")));
  if (!parsed.success) return undefined;
  return { ...parsed.data, timestamp: Buffer.from(parsed.data.timestamp, "base64") };
}
