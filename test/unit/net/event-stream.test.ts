import { createServer, get, type IncomingMessage } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { DEFAULT_EVENT_STREAM_OPTIONS, EventStream, type EventStreamOptions } from "../../../src/net/event-stream.ts";

async function start(change: Partial<EventStreamOptions>, more = 0): Promise<{ stream: EventStream; url: string }> {
  const stream = new EventStream({ ...DEFAULT_EVENT_STREAM_OPTIONS, ...change });
  const server = createServer((_request, response) => {
    stream.subscribe(
      response,
      { event: "release", data: "1" },
      { address: "192.0.2.1", more: { perAddress: more, perNetwork: more } },
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void (stream[Symbol.dispose](), server.close()));
  return { stream, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}

async function listen(url: string): Promise<IncomingMessage & { text: string }> {
  const response = (await once(get(url), "response").then(([first]: IncomingMessage[]) => first)) as IncomingMessage & {
    text: string;
  };
  response.text = "";
  response.setEncoding("utf8");
  response.on("data", (part: string) => (response.text += part));
  response.on("error", () => undefined);
  return response;
}

test("a subscriber gets the first event, later ones and comments", async () => {
  const { stream, url } = await start({ maxSubscribers: 10, commentIntervalMs: 50 });
  const response = await listen(url);
  expect(response.headers["content-type"]).toBe("text/event-stream");
  stream.publish({ event: "release", data: "2" });
  await expect.poll(() => response.text).toMatch(/^event: release\ndata: 1\n\nevent: release\ndata: 2\n\n: still here/);
  stream[Symbol.dispose]();
  await once(response, "end");
});

test("subscribers above the cap are refused, one that left makes room", async () => {
  const { stream, url } = await start({ maxSubscribers: 1, commentIntervalMs: 1_000 });
  const first = await listen(url);
  expect((await listen(url)).statusCode).toBe(503);
  first.destroy();
  await expect.poll(() => stream.subscriberCount).toBe(0);
  expect((await listen(url)).statusCode).toBe(200);
});

test("an address has its share of streams, and as many more as it is granted; 429 says when to come again", async () => {
  const shares = { perAddress: 2, perNetwork: 64 };
  const { url } = await start({ shares }, 1);
  const open = [await listen(url), await listen(url), await listen(url)];
  expect(open.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200]);
  const refused = await listen(url);
  expect([refused.statusCode, refused.headers["retry-after"]]).toEqual([429, "60"]);
  open[0]!.destroy();
  await expect.poll(async () => (await listen(url)).statusCode).toBe(200);
});
