import { connect } from "node:net";
import { once } from "node:events";
import { expect, onTestFinished, test, vi } from "vitest";
import { planFileAnswer } from "../../../src/delivery/file-answer.ts";
import { EMPTY_CONTENT } from "../../../src/core/content-id.ts";
import { messageOf } from "../../../src/core/errors.ts";
import { sendFileAnswer, type FileSendResult } from "../../../src/net/file-response.ts";
import {
  DEFAULT_HTTP_SERVER_OPTIONS,
  FILES_ROUTE,
  type HttpServer,
  type HttpServerOptions,
  listenHttp,
} from "../../../src/net/http-server.ts";
import type { AnsweredRequest } from "../../../src/report/access-line.ts";
import { rawExchange, statusOf } from "../../support/raw-http.ts";

const LENGTH = 64 * 1024 * 1024;

interface Started {
  readonly server: HttpServer;
  readonly results: FileSendResult[];
}

/** `/` answers the raw target, `/.prsync/echo` the length of the body, `/.prsync/big` 64 MiB that fail at `failAt`. */
async function start(
  options: Partial<HttpServerOptions> = {},
  { failAt = Infinity, lengthBytes = LENGTH, beforeRead = (): void => undefined } = {},
): Promise<Started> {
  const results: FileSendResult[] = [];
  const content = {
    read: async (start: number, length: number): Promise<Uint8Array> => {
      beforeRead();
      if (start + length > failAt) throw new Error("changed on disk");
      return Buffer.alloc(length, "x");
    },
  };
  const served = { content: EMPTY_CONTENT, lengthBytes, mtimeNs: 0n, mediaType: "text/plain" };
  const server = await listenHttp({ ...DEFAULT_HTTP_SERVER_OPTIONS, host: "127.0.0.1", port: 0, ...options }, (app) => {
    app.route({
      method: ["GET", "HEAD"],
      url: FILES_ROUTE,
      handler: async (request) => JSON.stringify(request.originalUrl),
    });
    app.get("/.prsync/address", async (request) => request.ip);
    app.get("/.prsync/broken", () => Promise.reject(new Error("a bug of ours")));
    app.post("/.prsync/echo", async (request) => String((request.body as Buffer).length));
    app.get("/.prsync/big", async (request, reply) => {
      reply.hijack();
      const answer = planFileAnswer({ method: "GET", headers: request.headers }, served, "b");
      results.push(await sendFileAnswer(answer, reply.raw, content));
    });
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return { server, results };
}

const get = (target: string, more = ""): string =>
  `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${more}\r\n`;

test.each(["/a", "/%FF", "/%zz", "/../a", "//host/a", "http://host/a", "/%2eprsync/echo", "/.prsync", "/a;b?c=%zz"])(
  "target %s reaches the files' route byte for byte",
  async (target) => {
    const { server } = await start();
    const answer = await rawExchange(server.port, get(target));
    expect(statusOf(answer)).toBe(200);
    expect(answer).toContain(JSON.stringify(target));
  },
);

test.each([
  ["unknown own address", get("/.prsync/nothing"), 404],
  ["bad escape below the own prefix", get("/.prsync/%zz"), 400],
  ["DELETE of a file", "DELETE /a HTTP/1.1\r\nHost: x\r\n\r\n", 405],
  ["POST of 1 GB to a file", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n", 405],
  ["PROPFIND", "PROPFIND /a HTTP/1.1\r\nHost: x\r\n\r\n", 405],
  ["GET with a body", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nxxxx", 413],
  ["body above the limit", "POST /.prsync/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\nx", 413],
  ["header above 8 KiB", get("/a", `X: ${"x".repeat(9000)}\r\n`), 431],
  [
    "length and chunks together",
    "POST /.prsync/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    400,
  ],
  [
    "obfuscated transfer encoding",
    "POST /.prsync/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    400,
  ],
  ["bare line feeds", "GET /a HTTP/1.1\nHost: x\n\n", 400],
  ["folded header", "GET /a HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n", 400],
  ["no host", "GET /a HTTP/1.1\r\n\r\n", 400],
  ["not HTTP", "\x16\x03\x01\x02\x00\r\n\r\n", 400],
])("%s is refused and the connection closed", async (_name, bytes, status) => {
  const { server } = await start();
  const started = performance.now();
  const answer = await rawExchange(server.port, bytes);
  expect(statusOf(answer)).toBe(status);
  expect(performance.now() - started).toBeLessThan(1_500);
});

test("a request that fails for our own reasons is answered 500 and told, for the log", async () => {
  const told: unknown[] = [];
  const { server } = await start({ onFailure: ({ target, error }) => told.push([target, messageOf(error)]) });
  const answer = await rawExchange(server.port, get("/.prsync/broken?x"));
  expect(statusOf(answer)).toBe(500);
  expect(answer).not.toContain("a bug of ours");
  expect(told).toEqual([["/.prsync/broken?x", "a bug of ours"]]);
});

test("1,000 pipelined requests are answered", async () => {
  const { server } = await start();
  const requests = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n".repeat(999) + get("/last");
  const answers = await rawExchange(server.port, requests, 10_000);
  expect(answers.match(/HTTP\/1\.1 200/g)).toHaveLength(1000);
});

const SLOW_REQUESTS: readonly (readonly [string, string])[] = [
  ["its first line", "GET /"],
  ["a field", "GET /a HTTP/1.1\r\nHost: x\r\nX-A: 1"],
  ["the end of its head", "GET /a HTTP/1.1\r\nHost: x\r\n"],
  ["a body of which some bytes came", "POST /.prsync/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc"],
  ["a chunk", "POST /.prsync/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nab"],
];

test.each(SLOW_REQUESTS)(
  "a client that is slow with %s is told so and let go, however it drips",
  async (_what, bytes) => {
    const timeouts = {
      headersTimeout: 400,
      requestTimeout: 800,
      keepAliveTimeout: 300,
      connectionsCheckingInterval: 50,
    };
    const { server } = await start({ timeouts });
    const socket = connect(server.port, "127.0.0.1").setEncoding("latin1");
    socket.on("error", () => undefined);
    socket.write(bytes);
    const drip = setInterval(() => socket.write("a"), 100);
    // Far longer than either limit; it is the server that ends it.
    const answer = (await socket.toArray({ signal: AbortSignal.timeout(20_000) })).join("");
    clearInterval(drip);
    expect(statusOf(answer)).toBe(408);
    await expect.poll(() => server.connectionCount).toBe(0);
  },
);

test("connections above the cap of one address are dropped", async () => {
  const { server } = await start({ maxConnectionsPerAddress: 2 });
  const first = [connect(server.port, "127.0.0.1"), connect(server.port, "127.0.0.1")];
  await Promise.all(first.map((socket) => once(socket, "connect")));
  expect(await rawExchange(server.port, get("/a"))).toBe("");
  await Promise.all(first.map((socket) => (socket.destroy(), once(socket, "close"))));
  await expect.poll(async () => statusOf(await rawExchange(server.port, get("/a")))).toBe(200);
});

test("X-Forwarded-For is believed only from a configured proxy", async () => {
  const open = await start();
  const behindProxy = await start({ trustedProxies: ["127.0.0.1"] });
  const header = "X-Forwarded-For: 192.0.2.7\r\n";
  expect(await rawExchange(open.server.port, get("/.prsync/address", header))).toMatch(/127\.0\.0\.1$/);
  expect(await rawExchange(behindProxy.server.port, get("/.prsync/address", header))).toMatch(/192\.0\.2\.7$/);
});

test("a reader that stops is cut off, one that reads gets everything", async () => {
  const slowReaders = { minimumBytesPerSecond: 1_000, periodMs: 600, checkIntervalMs: 100 };
  const { server, results } = await start({ slowReaders });
  const stalled = connect(server.port, "127.0.0.1");
  stalled.on("error", () => undefined);
  stalled.pause();
  stalled.write(get("/.prsync/big"));
  const response = await fetch(`${server.url}/.prsync/big`);
  expect((await response.arrayBuffer()).byteLength).toBe(LENGTH);
  await expect.poll(() => results.map((result) => result.kind).sort()).toEqual(["client-left", "sent"]);
  stalled.destroy();
});

/** A clock that can be put forward; nobody else is to close the connection. */
function laterClock(): { laterMs: number; readonly options: Partial<HttpServerOptions> } {
  const slowReaders = { ...DEFAULT_HTTP_SERVER_OPTIONS.slowReaders, checkIntervalMs: 1e9 };
  const clock = { laterMs: 0, options: { slowReaders } };
  const now = performance.now.bind(performance);
  const spy = vi.spyOn(performance, "now").mockImplementation(() => now() + clock.laterMs);
  onTestFinished(() => spy.mockRestore());
  return clock;
}

test.each([
  [5.9, "sent"],
  [6.1, "client-left"],
] as const)("H10 an answer of which the most is still to come after %d hours: %s", async (hours, kind) => {
  const clock = laterClock();
  const { server, results } = await start(clock.options);
  const response = await fetch(`${server.url}/.prsync/big`);
  clock.laterMs = hours * 3_600_000;
  const body = response.arrayBuffer().then(
    (bytes) => bytes.byteLength,
    () => "cut off",
  );
  expect(await body).toBe(kind === "sent" ? LENGTH : "cut off");
  expect(results).toMatchObject([{ kind }]);
});

test("H10 the reader of 4 GiB has four times as long", async () => {
  const clock = laterClock();
  const { server } = await start(clock.options, { lengthBytes: 64 * LENGTH });
  const response = await fetch(`${server.url}/.prsync/big`);
  clock.laterMs = 23 * 3_600_000;
  let bytes = 0;
  for await (const chunk of response.body! as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > 2 * LENGTH) break;
  }
  expect(bytes).toBeGreaterThan(2 * LENGTH);
});

test("H10 time that our own limit takes is not the reader's", async () => {
  const clock = laterClock();
  const { server } = await start(clock.options, { beforeRead: () => (clock.laterMs += 3_600_000) });
  const response = await fetch(`${server.url}/.prsync/big`);
  expect((await response.arrayBuffer()).byteLength).toBe(LENGTH);
});

test("a content that changes while it is sent cuts the connection", async () => {
  const { server, results } = await start({}, { failAt: LENGTH / 2 });
  const response = await fetch(`${server.url}/.prsync/big`);
  expect(response.status).toBe(200);
  const started = performance.now();
  await expect(response.arrayBuffer()).rejects.toThrow();
  // A clean end would leave the client waiting for the rest until the connection idles out.
  expect(performance.now() - started).toBeLessThan(2_000);
  expect(results).toMatchObject([{ kind: "content-failed", headSent: true }]);
});

test("closing ends open transfers after the grace period", async () => {
  const { server } = await start({ closeGraceMs: 200 });
  const socket = connect(server.port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(get("/.prsync/big"));
  await once(socket, "readable");
  const started = performance.now();
  await server[Symbol.asyncDispose]();
  expect(performance.now() - started).toBeLessThan(1_500);
  socket.destroy();
});

test("a taken port is told as listen-failed", async () => {
  const { server } = await start();
  await expect(start({ port: server.port })).rejects.toMatchObject({ code: "listen-failed" });
});

test("every request is told with its status and the bytes of its body, answered by the front, refused or left", async () => {
  const told: AnsweredRequest[] = [];
  const front: HttpServerOptions["front"] = (request, response) => {
    if (request.url !== "/moved") return false;
    response.writeHead(302, { Location: "/" }).end();
    return true;
  };
  const { server } = await start({ front, onAnswered: (answered) => told.push(answered) });
  const agent = "User-Agent: wget\r\nReferer: http://x/\r\n";
  await rawExchange(server.port, get("/a", agent));
  await rawExchange(server.port, get("/moved"));
  await rawExchange(server.port, get("/a").replace("GET", "HEAD"));
  await rawExchange(server.port, get("/.prsync/nothing"));
  // Two requests in one go: each answer has its own bytes.
  await rawExchange(server.port, "GET /b HTTP/1.1\r\nHost: x\r\n\r\n" + get("/cd"));
  const short = told.map(({ method, target, status, bodyBytes }) => [method, target, status, bodyBytes]);
  expect(short).toEqual([
    ["GET", "/a", 200, 4],
    ["GET", "/moved", 302, 0],
    ["HEAD", "/a", 200, 0],
    ["GET", "/.prsync/nothing", 404, expect.any(Number)],
    ["GET", "/b", 200, 4],
    ["GET", "/cd", 200, 5],
  ]);
  expect(told[0]).toMatchObject({ address: "127.0.0.1", httpVersion: "1.1", referer: "http://x/", userAgent: "wget" });
  const { promise: hasBegun, resolve } = Promise.withResolvers<void>();
  const socket = connect(server.port, "127.0.0.1", () => socket.write(get("/.prsync/big")));
  socket.once("data", () => (socket.destroy(), resolve()));
  await hasBegun;
  await expect.poll(() => told.length).toBe(7);
  expect(told[6]).toMatchObject({ target: "/.prsync/big", status: 200 });
  expect(told[6]!.bodyBytes).toBeLessThan(LENGTH);
});

test("behind a trusted proxy the customer's address is told", async () => {
  const told: string[] = [];
  const { server } = await start({ trustedProxies: ["127.0.0.1"], onAnswered: ({ address }) => told.push(address) });
  await rawExchange(server.port, get("/a", "X-Forwarded-For: 203.0.113.9\r\n"));
  expect(told).toEqual(["203.0.113.9"]);
});

test("a front that fails is told of, and costs an answer only if it had begun one", async () => {
  const failures: string[] = [];
  const { server } = await start({
    onFailure: ({ target, error }) => void failures.push(`${target} ${messageOf(error)}`),
    front: ({ url }, response) => {
      if (url === "/begun") response.writeHead(302, { Location: "/" }).flushHeaders();
      throw new Error("database is locked");
    },
  });
  expect(statusOf(await rawExchange(server.port, get("/a")))).toBe(200);
  await rawExchange(server.port, get("/begun"));
  expect(statusOf(await rawExchange(server.port, get("/b")))).toBe(200);
  expect(failures).toEqual(["/a", "/begun", "/b"].map((target) => `${target} database is locked`));
});
