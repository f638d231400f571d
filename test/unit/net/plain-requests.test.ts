import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { DEFAULT_HTTP_SERVER_OPTIONS, FILES_ROUTE, type HttpServer, listenHttp } from "../../../src/net/http-server.ts";
import type { HttpServerOptions } from "../../../src/net/http-server.ts";
import { PlainRequestReader } from "../../../src/net/plain-request.ts";
import { PlainConnections, type PlainConnectionsOptions, type PlainFront } from "../../../src/net/plain-requests.ts";
import type { AnsweredRequest } from "../../../src/report/access-line.ts";
import { rawExchange, statusOf } from "../../support/raw-http.ts";

interface Fronts {
  /** Targets that were answered before node:http saw them. */
  readonly plain: string[];
  /** Targets that node:http saw. */
  readonly ordinary: string[];
}

type Heads = Readonly<Record<string, string | string[] | undefined>>;

/** What a redirect depends on stands in `Location`. */
function locationOf(method: string, target: string, headers: Heads): string {
  const { accept, range, "user-agent": agent, "if-none-match": match } = headers;
  return `/to?${encodeURIComponent(JSON.stringify([method, target, accept, range, agent, match]))}`;
}

/** Redirects /file…; all else is answered with the target by a route. */
async function start(
  isPlain: boolean,
  options: Partial<HttpServerOptions> = {},
): Promise<HttpServer & { seen: Fronts }> {
  const seen: Fronts = { plain: [], ordinary: [] };
  const plainFront: PlainFront = {
    answerPlain: ({ method, target, headers }) => {
      if (!target.startsWith("/file")) return undefined;
      seen.plain.push(target);
      return `Location: ${locationOf(method, target, headers)}\r\nContent-Length: 0\r\n`;
    },
  };
  const front: HttpServerOptions["front"] = ({ method = "", url = "", headers }, response) => {
    seen.ordinary.push(url);
    const hasBody = (headers["content-length"] ?? "0") !== "0" || headers["transfer-encoding"] !== undefined;
    if (hasBody || !["GET", "HEAD"].includes(method) || !url.startsWith("/file")) return false;
    response.writeHead(302, { Location: locationOf(method, url, headers), "Content-Length": "0" }).end();
    return true;
  };
  const address = { host: "127.0.0.1", port: 0 };
  const all = { ...DEFAULT_HTTP_SERVER_OPTIONS, ...address, front, ...(isPlain ? { plainFront } : {}), ...options };
  const server = await listenHttp(all, (app) => {
    app.route({ method: ["GET", "HEAD"], url: FILES_ROUTE, handler: async (request) => request.originalUrl });
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return Object.assign(server, { seen });
}

/**
 * All that comes back for these chunks until the server closes, without `Date`; of an answer that says so no more than that, because what is
 * still read of the rest depends on when it came.
 */
async function exchange(port: number, chunks: readonly string[]): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.setNoDelay(true).setEncoding("latin1");
  socket.on("error", () => undefined);
  let received = "";
  socket.on("data", (text: string) => (received += text));
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await once(socket, "connect");
  for (const chunk of chunks) {
    if (!socket.destroyed) socket.write(chunk, "latin1");
    // Long enough to be read alone.
    await sleep(2);
  }
  await closed;
  const closing = /^connection: close\r\n/im.exec(received);
  return received.slice(0, closing?.index).replace(/^Date: .*\r\n/gim, "");
}

/** A connection on which each request waits for the answer before. */
function customer(port: number): { readonly socket: Socket; readonly ask: (request: string) => Promise<string> } {
  const socket = connect(port, "127.0.0.1").setEncoding("latin1");
  socket.on("error", () => undefined);
  onTestFinished(() => void socket.destroy());
  const ask = async (request: string): Promise<string> => {
    socket.write(request);
    const [answer] = (await once(socket, "data")) as [string];
    return answer;
  };
  return { socket, ask };
}

const field = fc.constantFrom(
  "User-Agent: curl/7.88.1",
  "user-agent:Wget",
  "Accept: */*",
  "ACCEPT:   text/html, a/b;q=0.1  ",
  "Accept-Encoding: gzip",
  "Range: bytes=0-1",
  'If-None-Match: "a"',
  "Connection: keep-alive",
  "connection: Keep-Alive",
  "Referer: http://x/",
  "Cookie: a=b",
  "X-Odd: \t\xe4",
);
/** What a proxy before us could read otherwise than node:http does, and other things that are seldom meant well. */
const oddField = fc.constantFrom(
  "Content-Length: 0",
  "Content-Length: 99999",
  "Content-Length: 0\r\nContent-Length: 99999",
  "Content-Length: 0\r\nTransfer-Encoding: chunked",
  "Transfer-Encoding : chunked",
  "Transfer-Encoding:\x0bchunked",
  "Expect: 100-continue",
  "Connection: upgrade\r\nUpgrade: h2c",
  "Connection: close",
  "Proxy-Connection: close",
  "Connection: keep-alive, Content-Length",
  "Host: y",
  "Accept: a/b\r\n c/d",
  "Accept: a\nTransfer-Encoding: chunked",
  "Accept: a\rb",
  "Accept: a\0b",
  "Accept",
  ": a",
  "User Agent: x",
  `X: ${"x".repeat(9_000)}`,
);
const line = fc.constantFrom(
  ...[
    "GET /file HTTP/1.1",
    "HEAD /file HTTP/1.1",
    "GET /file%20b?sha256=a HTTP/1.1",
    "GET /file HTTP/1.1",
    "GET /other HTTP/1.1",
  ],
);
const oddLine = fc.constantFrom(
  "GET /.prsync/nothing HTTP/1.1",
  "POST /file HTTP/1.1",
  "GET  /file HTTP/1.1",
  "GET /file  HTTP/1.1",
  "GET /file HTTP/1.0",
  "GET /file HTTP/2.0",
  "GET /fi le HTTP/1.1",
  "GET /file\xe4 HTTP/1.1",
  "GET http://x/file HTTP/1.1",
  "get /file HTTP/1.1",
  "GET /file",
  "",
);
const fields = fc.uniqueArray(field, { maxLength: 4 });
const headOf = (lines: readonly string[]): string => [...lines, "", ""].join("\r\n");
const plainOnes = fc.array(
  fc.tuple(line, fields).map(([first, more]) => headOf([first, "Host: x", ...more])),
  { maxLength: 4 },
);
/** At most one at the end: what node:http says of what follows depends on when it came. */
const oddOne = fc.oneof(
  fc.constant(""),
  fc.tuple(line, fields, oddField).map(([first, more, odd]) => headOf([first, "Host: x", ...more, odd])),
  fc.tuple(oddLine, fields).map(([first, more]) => headOf([first, "Host: x", ...more])),
);
/** None: one request after the other, as clients send them. */
const cuts = fc.oneof(
  fc.constant([]),
  fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 6 }),
);
const LAST = "GET /file-last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

function cutAt(text: string, at: readonly number[]): string[] {
  const places = [0, ...at.map((part) => Math.floor(part * text.length)).sort((a, b) => a - b), text.length];
  return places.slice(1).map((end, index) => text.slice(places[index], end));
}

test("whatever comes on a connection, however it is cut, the answers are those of node:http", async () => {
  const [plain, ordinary] = [await start(true), await start(false)];
  const both = fc.asyncProperty(plainOnes, oddOne, cuts, async (usual, odd, at) => {
    const requests = [...usual, odd];
    const chunks = at.length === 0 ? [...requests, LAST] : cutAt(requests.join("") + LAST, at);
    const answers = await Promise.all([plain, ordinary].map(({ port }) => exchange(port, chunks)));
    expect(answers[0]).toBe(answers[1]);
  });
  await fc.assert(both, { numRuns: 120 });
  expect(plain.seen.plain.length).toBeGreaterThan(10);
  expect(ordinary.seen.plain).toEqual([]);
}, 60_000);

test("a plain request is answered before node:http; from the first other one on a connection is node:http's", async () => {
  const server = await start(true);
  const { ask } = customer(server.port);
  const get = async (target: string): Promise<number> =>
    statusOf(await ask(`GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`));
  expect([await get("/file-1"), await get("/file-2"), await get("/other"), await get("/file-3")]).toEqual([
    302, 302, 200, 302,
  ]);
  expect(server.seen).toEqual({ plain: ["/file-1", "/file-2"], ordinary: ["/other", "/file-3"] });
});

test.each([
  "Content-Length: 0",
  "Transfer-Encoding: chunked",
  "Expect: 100-continue",
  "Upgrade: h2c",
  "Connection: close",
  "TE: trailers",
  "Trailer: x",
  "Proxy-Connection: keep-alive",
  "X-Forwarded-For: 192.0.2.1",
  "X-Unknown: x",
  "Accept: a\r\nAccept: b",
  "Accept: a\r\n b",
  "Accept : a",
  "Accept: \xe4",
  "Accept:",
  "Host: y",
])("a request with %j is not plain", (more) => {
  const read = (fields: string): unknown =>
    new PlainRequestReader().read(Buffer.from(`GET /a HTTP/1.1\r\nHost: x\r\n${fields}\r\n`, "latin1"), "192.0.2.1");
  expect(read("")).toMatchObject({ method: "GET", target: "/a", address: "192.0.2.1" });
  expect(read(`${more}\r\n`)).toBeUndefined();
});

test.each([
  "GET /a HTTP/1.1\r\nHost: x\r\n",
  "GET /a HTTP/1.1\r\nHost: x\r\n\r\nG",
  "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
  "\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n",
  "GET /a HTTP/1.1\r\n\r\n",
  "GET /a HTTP/1.1\nHost: x\n\n",
  "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
  "GET * HTTP/1.1\r\nHost: x\r\n\r\n",
  "GETS /a HTTP/1.1\r\nHost: x\r\n\r\n",
  `GET /${"a".repeat(5_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
])("%j is not one plain request and nothing more", (text) => {
  expect(new PlainRequestReader().read(Buffer.from(text, "latin1"), "192.0.2.1")).toBeUndefined();
});

/** A server of these limits that answers every plain request, with so many bytes more. */
async function listenPlain(
  limits: Partial<PlainConnectionsOptions>,
): Promise<{ port: number; connections: PlainConnections }> {
  const server = createServer({ keepAliveTimeout: 100 }, (_, response) => response.end("ordinary"));
  const connections = new PlainConnections(server, {
    front: { answerPlain: () => "Content-Length: 0\r\n" },
    headersTimeout: 60_000,
    keepAliveTimeout: 60_000,
    connectionsCheckingInterval: 20,
    maxRequestsPerSocket: 1_000,
    ...limits,
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    connections.destroy();
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, connections };
}

const PLAIN = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

test("a connection on which nothing comes is answered 408 and closed, one that goes on is kept", async () => {
  const { port } = await listenPlain({ headersTimeout: 100, keepAliveTimeout: 60_000 });
  expect(statusOf(await rawExchange(port, "", 10_000))).toBe(408);
  const idle = await listenPlain({ keepAliveTimeout: 50 });
  const answer = await rawExchange(idle.port, PLAIN, 10_000);
  expect(answer).toMatch(
    /^HTTP\/1\.1 302 Found\r\nContent-Length: 0\r\nDate: [^\r]*GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=/,
  );
});

test("a connection ends with its last request, with the customer's end, and when the server closes", async () => {
  const { port, connections } = await listenPlain({ maxRequestsPerSocket: 2 });
  const [full, ended, closed] = [customer(port), customer(port), customer(port)];
  expect(await full.ask(PLAIN)).toContain("Connection: keep-alive");
  expect(await full.ask(PLAIN)).toContain("Connection: close");
  await once(full.socket, "close");
  await ended.ask(PLAIN);
  ended.socket.end();
  await once(ended.socket, "close");
  await closed.ask(PLAIN);
  connections.close();
  await once(closed.socket, "close");
});

test("a customer that asks and never reads is handed to node:http, and cut off", async () => {
  const slowReaders = { minimumBytesPerSecond: 1_000, periodMs: 600, checkIntervalMs: 100 };
  const plainFront = { answerPlain: () => `X: ${"x".repeat(60_000)}\r\nContent-Length: 0\r\n` };
  const server = await start(true, { slowReaders, plainFront });
  const stalled = connect(server.port, "127.0.0.1");
  stalled.on("error", () => undefined);
  stalled.pause();
  const closed = new Promise((resolve) => stalled.once("close", resolve));
  while (!stalled.destroyed && server.seen.ordinary.length === 0) {
    stalled.write("GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
    await sleep(1);
  }
  expect(server.seen.ordinary).not.toEqual([]);
  await expect.poll(() => server.connectionCount, { timeout: 10_000 }).toBe(0);
  stalled.destroy();
  await closed;
});

test("the access log has plain requests; a front that fails leaves them to node:http", async () => {
  const told: AnsweredRequest[] = [];
  const server = await start(true, { onAnswered: (answered) => told.push(answered) });
  await customer(server.port).ask("GET /file HTTP/1.1\r\nHost: x\r\nUser-Agent: wget\r\nReferer: http://x/\r\n\r\n");
  expect(server.seen.plain).toEqual(["/file"]);
  expect(told.map(({ target, status }) => [target, status])).toEqual([["/file", 302]]);
  const whole = { address: "127.0.0.1", method: "GET", httpVersion: "1.1", bodyBytes: 0 };
  expect(told[0]).toMatchObject({ ...whole, referer: "http://x/", userAgent: "wget" });
  const answerPlain = (): never => {
    throw new Error("database is locked");
  };
  const failing = await start(true, { plainFront: { answerPlain } });
  expect(statusOf(await exchange(failing.port, [LAST]))).toBe(302);
  expect(failing.seen.ordinary).toEqual(["/file-last"]);
});

test.for([true, false])(
  "a connection that was reset before it was accepted asks nobody (plain: %s)",
  async (isPlain) => {
    const answered: AnsweredRequest[] = [];
    const failures: unknown[] = [];
    const server = await start(isPlain, {
      onAnswered: (told) => void answered.push(told),
      onFailure: (failure) => void failures.push(failure),
    });
    const script = `const socket = require("node:net").connect(${server.port}, "127.0.0.1", () =>
    socket.write("GET /file HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n", () => socket.resetAndDestroy()));`;
    // Nothing is accepted here until that has ended.
    expect(spawnSync(process.execPath, ["-e", script]).status).toBe(0);
    expect(statusOf(await rawExchange(server.port, "GET /file HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))).toBe(
      302,
    );
    expect([server.seen.plain.length + server.seen.ordinary.length, answered.length, failures]).toEqual([1, 1, []]);
    await expect.poll(() => server.connectionCount).toBe(0);
  },
);
