import { createServer, get, type IncomingMessage } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { EventStream, type EventStreamOptions } from "../../../src/net/event-stream.ts";

async function start(options: EventStreamOptions): Promise<{ stream: EventStream; url: string }> {
  const stream = new EventStream(options);
  const server = createServer((_request, response) => {
    if (!stream.subscribe(response, { event: "release", data: "1" })) response.writeHead(503).end();
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
