import { once } from "node:events";
import { connect } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import {
  DEFAULT_HTTP_SERVER_OPTIONS,
  FILES_ROUTE,
  type HttpServer,
  type HttpServerOptions,
  listenHttp,
} from "../../../src/net/http-server.ts";
import { rawExchange, statusOf } from "../../support/raw-http.ts";

/** Three at once, one every 100 s: no test waits for the next. */
const SCANTY = { perSecond: 0.01, burst: 3 };

async function start(options: Partial<HttpServerOptions> = {}): Promise<HttpServer> {
  const place = { host: "127.0.0.1", port: 0, requestRate: SCANTY };
  const server = await listenHttp({ ...DEFAULT_HTTP_SERVER_OPTIONS, ...place, ...options }, (app) => {
    app.route({ method: ["GET", "HEAD"], url: FILES_ROUTE, handler: async () => "a file" });
    app.get("/.prsync/address", async (request) => request.ip);
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server;
}

const get = (target: string, more = ""): string =>
  `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${more}\r\n`;

async function statuses(port: number, requests: readonly string[]): Promise<readonly number[]> {
  const all: number[] = [];
  for (const request of requests) all.push(statusOf(await rawExchange(port, request)));
  return all;
}

/** Answers on one connection from `from`, each request after the answer before. */
async function onOneConnection(port: number, from: string, requests: readonly string[]): Promise<readonly string[]> {
  const socket = connect({ port, host: "127.0.0.1", localAddress: from }).setEncoding("latin1");
  onTestFinished(() => void socket.destroy());
  const answers: string[] = [];
  for (const request of requests) {
    socket.write(request);
    answers.push(((await once(socket, "data")) as [string])[0]);
  }
  return answers;
}

test("beyond its rate an address gets 429 and is told when to come again; others and our own addresses go on", async () => {
  let refused = 0;
  const { port } = await start({ onTooMany: () => refused++ });
  expect(await statuses(port, Array<string>(4).fill(get("/a")))).toEqual([200, 200, 200, 429]);
  const answer = await rawExchange(port, get("/a"));
  expect(Number(/^retry-after: (\d+)\r$/im.exec(answer)![1])).toBeGreaterThan(90);
  expect(JSON.parse(answer.split("\r\n\r\n")[1]!)).toMatchObject({ error: { code: "too-many-requests" } });
  expect(answer).toMatch(/^cache-control: no-store\r$/im);
  expect(await statuses(port, Array<string>(5).fill(get("/.prsync/address")))).toEqual(Array(5).fill(200));
  const [other] = await onOneConnection(port, "127.0.0.2", ["GET /a HTTP/1.1\r\nHost: x\r\n\r\n"]);
  expect(statusOf(other!)).toBe(200);
  expect(refused).toBe(2);
});

test("without a rate nobody is refused", async () => {
  const { port } = await start({ requestRate: undefined });
  expect(await statuses(port, Array<string>(6).fill(get("/a")))).toEqual(Array(6).fill(200));
});

test("redirects count the same before node:http and behind it, and the access log has the refusals", async () => {
  const told: (readonly [number, number])[] = [];
  const fields = "Location: /elsewhere\r\nContent-Length: 0\r\n";
  const { port } = await start({
    plainFront: { answerPlain: ({ target }) => (target === "/small" ? undefined : fields) },
    front: (_request, response) => (response.writeHead(302, { "Content-Length": "0" }).end(), true),
    onAnswered: ({ status, bodyBytes }) => told.push([status, bodyBytes]),
  });
  const plain = (method: string): string => `${method} /a HTTP/1.1\r\nHost: x\r\n\r\n`;
  const answers = await onOneConnection(port, "127.0.0.1", ["GET", "GET", "GET", "GET", "HEAD", "GET"].map(plain));
  expect(answers.map(statusOf)).toEqual([302, 302, 302, 429, 429, 429]);
  const [head = "", body] = answers[3]!.split("\r\n\r\n");
  expect(head).toMatch(/^Retry-After: \d+\r\n/m);
  expect(head).toMatch(/\r\nConnection: keep-alive\r\n/);
  expect(head).toContain(`Content-Length: ${body!.length}`);
  expect(answers[4]!.split("\r\n\r\n")[1]).toBe("");
  expect(told.slice(3)).toEqual([429, 429, 429].map((status, at) => [status, at === 1 ? 0 : body!.length]));
  // Not plain, so answered behind node:http.
  expect(await statuses(port, [get("/a", "X-Odd: 1\r\n")])).toEqual([429]);
  const odd = "GET /a HTTP/1.1\r\nHost: x\r\nX-Odd: 1\r\n\r\n";
  const behind = await onOneConnection(port, "127.0.0.3", Array<string>(4).fill(odd));
  expect(behind.map(statusOf)).toEqual([302, 302, 302, 429]);
});

test("a request that goes on to node:http counts once", async () => {
  const { port } = await start({ plainFront: { answerPlain: () => undefined } });
  expect(await statuses(port, Array<string>(4).fill(get("/small")))).toEqual([200, 200, 200, 429]);
});

test("behind a trusted proxy customers count apart, of IPv6 each /64 as one", async () => {
  const { port } = await start({ trustedProxies: ["127.0.0.1"] });
  const from = (address: string): string => get("/a", `X-Forwarded-For: ${address}\r\n`);
  const one = ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3", "2001:db8::4"];
  expect(await statuses(port, one.map(from))).toEqual([200, 200, 200, 429]);
  expect(await statuses(port, ["2001:db8:0:1::1", "203.0.113.9"].map(from))).toEqual([200, 200]);
  expect(await statuses(port, [get("/.prsync/address", "X-Forwarded-For: 2001:db8::4\r\n")])).toEqual([200]);
});

test("what no route takes is refused for that", async () => {
  const { port } = await start();
  await statuses(port, Array<string>(4).fill(get("/a")));
  const post = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n";
  expect(await statuses(port, [post])).toEqual([405]);
});

test("our own addresses have a rate of their own, whoever signs has limits elsewhere, and what costs more is charged where it was asked", async () => {
  const place = { host: "127.0.0.1", port: 0, requestRate: SCANTY, selfLimited: ["/.prsync/signed"] };
  const server = await listenHttp({ ...DEFAULT_HTTP_SERVER_OPTIONS, ...place }, (app, charge) => {
    app.route({ method: ["GET", "HEAD"], url: FILES_ROUTE, handler: async () => "a file" });
    app.route({ method: ["GET", "POST"], url: "/.prsync/signed", handler: async () => "signed" });
    app.post("/.prsync/dear", async (request) => (charge(request, 20_000), "dear"));
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const post = (target: string): string =>
    `POST ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\n1`;
  const [dear, ...more] = await statuses(server.port, Array<string>(3).fill(post("/.prsync/dear")));
  expect([dear, more]).toEqual([200, [429, 429]]);
  expect(await statuses(server.port, [get("/.prsync/nothing"), get("/a")])).toEqual([429, 200]);
  expect(await statuses(server.port, [get("/.prsync/signed?x=1"), post("/.prsync/signed")])).toEqual([200, 200]);
});

test("a /48 of IPv6 has four times what an address has", async () => {
  const { port } = await start({ trustedProxies: ["127.0.0.1"] });
  const from = (subnet: number): string => get("/a", `X-Forwarded-For: 2001:db8:0:${subnet.toString(16)}::1\r\n`);
  const all = await statuses(
    port,
    Array.from({ length: 14 }, (_, subnet) => from(subnet)),
  );
  expect(all).toEqual([...Array<number>(12).fill(200), 429, 429]);
  expect(await statuses(port, [get("/a", "X-Forwarded-For: 2001:db8:1::1\r\n")])).toEqual([200]);
});

test("a front that fails is told, and the request is answered behind it", async () => {
  const failures: string[] = [];
  const { port } = await start({
    plainFront: {
      answerPlain: () => {
        throw new Error("broken");
      },
    },
    onFailure: ({ target, error }) => failures.push(`${target} ${String(error)}`),
  });
  const [answer] = await onOneConnection(port, "127.0.0.1", ["GET /a HTTP/1.1\r\nHost: x\r\n\r\n"]);
  expect([statusOf(answer!), failures]).toEqual([200, ["/a Error: broken"]]);
});
