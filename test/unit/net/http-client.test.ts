import { readFileSync } from "node:fs";
import { type RequestListener, createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { HttpClient } from "../../../src/net/http-client.ts";
import { permittedLookup } from "../../../src/net/permitted-lookup.ts";

const LIMITS = { maxBytes: 1000, deadlineMs: 5000 };

async function serve(listener: RequestListener): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("an answer comes with status, headers, body and the bytes it cost", async () => {
  await using server = await serve((_, response) => response.writeHead(418, { "x-a": "b" }).end("teapot"));
  await using client = new HttpClient();
  const answer = await client.get(server.url, LIMITS);
  expect([answer.status, answer.headers["x-a"], answer.body.toString()]).toEqual([418, "b", "teapot"]);
  expect(answer.receivedBytes).toBeGreaterThan(6 + 50);
  expect(client.receivedBytes).toBe(answer.receivedBytes);
});

test("connections are kept and each answer counts its own bytes", async () => {
  const ports = new Set<number>();
  await using server = await serve((request, response) => {
    ports.add(request.socket.remotePort!);
    response.end("x".repeat(500));
  });
  await using client = new HttpClient();
  const first = await client.get(server.url, LIMITS);
  const second = await client.get(server.url, LIMITS);
  expect(ports.size).toBe(1);
  expect(second.receivedBytes).toBe(first.receivedBytes);
  expect(client.receivedBytes).toBe(2 * first.receivedBytes);
});

test("a stream that waits costs no probe of the kernel each second", async () => {
  const { promise: asked, resolve: onAsked } = Promise.withResolvers<number>();
  await using server = await serve((request, response) => {
    response.write("first");
    onAsked(request.socket.remotePort!);
  });
  await using client = new HttpClient();
  await using _stream = await client.stream(server.url, LIMITS);
  const { kind, dueMs } = kernelTimer(await asked);
  expect(kind).toBe("keepalive");
  expect(dueMs).toBeGreaterThan(15_000);
});

/** The timer of this host's socket with the port, from /proc/net/tcp: hexadecimal, in hundredths of a second. */
function kernelTimer(port: number): { readonly kind: string; readonly dueMs: number } {
  const rows = readFileSync("/proc/net/tcp", "utf8").split("\n");
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const timer = rows.map((row) => row.trim().split(/\s+/)).find((fields) => fields[1]?.endsWith(local))?.[5] ?? "";
  const [kind = "", due = ""] = timer.split(":");
  return { kind: kind === "02" ? "keepalive" : kind, dueMs: Number.parseInt(due, 16) * 10 };
}

test("bodies above the cap are refused, announced or not", async () => {
  await using server = await serve((request, response) => {
    response.writeHead(200, request.url === "/told" ? { "content-length": "1001" } : {});
    response.end("x".repeat(1001));
  });
  await using client = new HttpClient();
  await expect(client.get(`${server.url}/told`, LIMITS)).rejects.toMatchObject({ code: "too-large" });
  await expect(client.get(`${server.url}/chunked`, LIMITS)).rejects.toMatchObject({ code: "too-large" });
});

test("a body that never ends stops near the cap", async () => {
  await using server = await serve((_, response) => {
    const timer = setInterval(() => response.write("x".repeat(100_000)), 1);
    response.on("close", () => clearInterval(timer));
  });
  await using client = new HttpClient();
  await expect(client.get(server.url, { ...LIMITS, maxBytes: 200_000 })).rejects.toMatchObject({ code: "too-large" });
  expect(client.receivedBytes).toBeLessThan(2_000_000);
});

test("dripping bodies end at the deadline or below the lowest rate", async () => {
  await using server = await serve((_, response) => {
    const timer = setInterval(() => response.write("x"), 20);
    response.on("close", () => clearInterval(timer));
  });
  await using client = new HttpClient();
  await expect(client.get(server.url, { ...LIMITS, deadlineMs: 300 })).rejects.toMatchObject({ code: "timeout" });
  const floor = { minBytesPerSecond: 1000, rateWindowMs: 200 };
  await expect(client.get(server.url, { ...LIMITS, ...floor })).rejects.toMatchObject({ code: "too-slow" });
  const enough = { minBytesPerSecond: 5, rateWindowMs: 200, deadlineMs: 900 };
  await expect(client.get(server.url, { ...LIMITS, ...enough })).rejects.toMatchObject({ code: "timeout" });
});

test("a reader that is slow itself is not blamed on the sender", async () => {
  await using server = await serve((_, response) => response.end("x".repeat(900)));
  await using client = new HttpClient();
  const floor = { minBytesPerSecond: 1000, rateWindowMs: 100 };
  await using stream = await client.stream(server.url, { ...LIMITS, ...floor });
  let length = 0;
  for await (const chunk of stream.body) {
    length += chunk.length;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  expect(length).toBe(900);
});

test("a server that never answers ends at the response timeout, no server is unreachable", async () => {
  await using server = await serve(() => undefined);
  await using client = new HttpClient({ responseTimeoutMs: 200 });
  await expect(client.get(server.url, LIMITS)).rejects.toMatchObject({ code: "timeout" });
  await expect(client.get("http://127.0.0.1:1/", LIMITS)).rejects.toMatchObject({ code: "unreachable" });
});

test("an aborted transfer throws the signal's reason", async () => {
  await using server = await serve((_, response) => response.write("x"));
  await using client = new HttpClient();
  const stopping = new AbortController();
  const running = client.get(server.url, { ...LIMITS, signal: stopping.signal });
  setTimeout(() => stopping.abort(new Error("enough")), 100);
  await expect(running).rejects.toThrow("enough");
  await expect(client.get(server.url, { ...LIMITS, signal: stopping.signal })).rejects.toThrow("enough");
});

test("redirects are handed out unless they are asked to be followed", async () => {
  await using server = await serve((request, response) => {
    if (request.url === "/end") response.end("there");
    else response.writeHead(302, { location: "/end" }).end();
  });
  await using client = new HttpClient();
  expect((await client.get(server.url, LIMITS)).status).toBe(302);
  expect((await client.get(server.url, { ...LIMITS, maxRedirects: 1 })).body.toString()).toBe("there");
});

test("ranges are half-open and a wrong one in the answer is refused", async () => {
  await using server = await serve((request, response) => {
    const range = request.url === "/wrong" ? "bytes 0-4/100" : "bytes 10-14/100";
    response.writeHead(206, { "content-range": range, "x-asked": request.headers.range }).end("abcde");
  });
  await using client = new HttpClient();
  const range = { start: 10, end: 15 };
  expect((await client.get(server.url, { ...LIMITS, range })).headers["x-asked"]).toBe("bytes=10-14");
  const wrong = client.get(`${server.url}/wrong`, { ...LIMITS, range });
  await expect(wrong).rejects.toMatchObject({ code: "bad-response" });
});

test("a content coding nobody asked for is refused", async () => {
  await using server = await serve((_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end("x"));
  await using client = new HttpClient();
  await expect(client.get(server.url, LIMITS)).rejects.toMatchObject({ code: "bad-response" });
});

test("a post carries its body and headers", async () => {
  await using server = await serve((request, response) => {
    request.pipe(response.writeHead(200, { "x-seen": request.headers["prsync-sequence"] }));
  });
  await using client = new HttpClient();
  const answer = await client.post(server.url, "hello", { ...LIMITS, headers: { "Prsync-Sequence": "7" } });
  expect([answer.headers["x-seen"], answer.body.toString()]).toEqual(["7", "hello"]);
});

test("kept connections that the server closed meanwhile are replaced, however many there were", async () => {
  let requests = 0;
  const waiting: Socket[] = [];
  const server = createTcpServer((socket) => {
    socket.on("error", () => undefined);
    let answered = false;
    socket.on("data", () => {
      requests++;
      // The second request on a connection meets a reset, as after a restart of the server.
      if (answered) return socket.resetAndDestroy();
      answered = true;
      // The first three are answered together, so that three connections are kept.
      waiting.push(socket);
      if (requests < 3) return;
      for (const each of waiting.splice(0)) each.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  await using client = new HttpClient();
  await Promise.all([client.get(url, LIMITS), client.get(url, LIMITS), client.get(url, LIMITS)]);
  expect((await client.get(url, LIMITS)).body.toString()).toBe("ok");
  expect(requests).toBe(7);
  server.close();
});

test("garbage instead of HTTP is a failure of the network, not of the program", async () => {
  const server = createTcpServer((socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  await using client = new HttpClient();
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  await expect(client.get(url, LIMITS)).rejects.toMatchObject({ code: "unreachable" });
  server.close();
});

test("a name is connected to only at addresses that are permitted", async () => {
  await using server = await serve((_, response) => response.end("inside"));
  const url = server.url.replace("127.0.0.1", "localhost");
  await using free = new HttpClient({ lookup: permittedLookup((address) => address === "127.0.0.1") });
  expect((await free.get(url, LIMITS)).body.toString()).toBe("inside");
  const seen: string[] = [];
  await using bound = new HttpClient({
    lookup: permittedLookup((address) => {
      seen.push(address);
      return false;
    }),
  });
  await expect(bound.get(url, LIMITS)).rejects.toMatchObject({ code: "unreachable" });
  expect(seen).toContain("127.0.0.1");
});
