import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { SyncError } from "../../../src/edge/errors.ts";
import { releaseEvents, type ReleaseEvent } from "../../../src/edge/release-events.ts";
import { encodeServerSentEvent, EventStream } from "../../../src/net/event-stream.ts";
import { HttpClient } from "../../../src/net/http-client.ts";

/** Serves `/.prsync/events` on loopback; returns its base URL. */
async function serve(answer: (response: ServerResponse) => void): Promise<string> {
  const server = createServer((request, response) => {
    if (request.url === "/.prsync/events") answer(response);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function follow(url: string, signal: AbortSignal = new AbortController().signal): AsyncGenerator<ReleaseEvent, void> {
  const http = new HttpClient();
  onTestFinished(async () => http[Symbol.asyncDispose]());
  return releaseEvents(http, url, signal);
}

function eventText(release: number, change: object = {}): string {
  const timestamp = Buffer.from("timestamp").toString("base64");
  return encodeServerSentEvent({
    event: "release",
    data: JSON.stringify({ release, timestamp, spreadMs: 20, ...change }),
  });
}

async function allOf(events: AsyncGenerator<ReleaseEvent, void>): Promise<number[]> {
  const releases: number[] = [];
  for await (const event of events) releases.push(event.release);
  return releases;
}

const ANYBODY = { address: "192.0.2.1", more: { perAddress: 0, perNetwork: 0 } };

test("what central's own event stream sends arrives, timestamp and spread with it", async () => {
  using stream = new EventStream();
  const url = await serve((response) => {
    stream.subscribe(response, { event: "release", data: eventText(1).split("data: ")[1]!.trim() }, ANYBODY);
    stream.publish({ event: "release", data: eventText(2).split("data: ")[1]!.trim() });
  });
  const events = follow(url);
  const first = await events.next();
  expect(first.value).toEqual({ release: 1, timestamp: Buffer.from("timestamp"), spreadMs: 20 });
  expect((await events.next()).value).toMatchObject({ release: 2 });
  await events.return();
});

test("events are found however the stream is cut and whatever lies between them", async () => {
  const text = `: hello\n\n${eventText(1)}event: other\ndata: {}\n\n${eventText(2).replaceAll("\n", "\r\n")}${eventText(3)}`;
  const url = await serve((response) => {
    for (const unit of text) response.write(unit);
    response.end();
  });
  expect(await allOf(follow(url))).toEqual([1, 2, 3]);
});

test("events that make no sense are passed over", async () => {
  const odd = [
    "event: release\ndata: {\n\n",
    "event: release\n\n",
    eventText(-1),
    eventText(1.5),
    eventText(4, { timestamp: "*" }),
    eventText(5, { spreadMs: 1e12 }),
    eventText(6, { spreadMs: -1 }),
  ];
  const url = await serve((response) => response.end(odd.join("") + eventText(7)));
  expect(await allOf(follow(url))).toEqual([7]);
});

test("an event without end is refused before it fills the memory", async () => {
  const url = await serve((response) => {
    const flood = setInterval(() => response.write("x".repeat(64 * 1024)), 1);
    response.on("close", () => clearInterval(flood));
  });
  await expect(allOf(follow(url))).rejects.toThrow(/without end/);
});

test("a refusal is told, the end of the stream is none", async () => {
  const refusing = await serve((response) => response.writeHead(503).end());
  await expect(allOf(follow(refusing))).rejects.toThrow(SyncError);
  const ending = await serve((response) => response.end(": bye\n\n"));
  expect(await allOf(follow(ending))).toEqual([]);
});

test("an abort ends the stream at once", async () => {
  const abort = new AbortController();
  const url = await serve((response) => response.write(": here\n\n"));
  const events = allOf(follow(url, abort.signal));
  setTimeout(() => abort.abort(new Error("enough")), 50);
  await expect(events).rejects.toThrow("enough");
});
