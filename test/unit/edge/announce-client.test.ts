import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { AnnounceClient } from "../../../src/edge/announce-client.ts";
import { HttpClient } from "../../../src/net/http-client.ts";
import { testKey } from "../../support/central-fixture.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const COUNTERS = { port: 7382, uploaded: 0, downloaded: 0, left: 0 };
const NEVER = new AbortController().signal;

test("an announce over a kept connection that turns out to be closed goes over another, as a new one", async () => {
  const sequences: string[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    let isAnswered = false;
    socket.on("data", (bytes) => {
      const sequence = /^prsync-sequence: (\d+)/im.exec(bytes.toString());
      if (sequence === null) return; // the body
      sequences.push(sequence[1]!);
      if (isAnswered) socket.resetAndDestroy();
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n{"interval":60,"peers":[]}');
      isAnswered = true;
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const http = new HttpClient();
  onTestFinished(async () => {
    await http[Symbol.asyncDispose]();
    server.close();
  });
  const centralUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = new AnnounceClient({ http, key: testKey("mirror"), centralUrl, clock: new ManualClock() });
  const body = {} as Parameters<AnnounceClient["announce"]>[1];
  expect((await client.announce(COUNTERS, body, NEVER)).interval).toBe(60);
  expect((await client.announce(COUNTERS, body, NEVER)).interval).toBe(60);
  expect(sequences).toHaveLength(3);
  expect(new Set(sequences).size).toBe(3);
});
