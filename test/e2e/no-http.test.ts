import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LoopbackCentral } from "../support/loopback-central.ts";
import { socketsOf } from "../support/process-sockets.ts";
import { RunningProgram, runPrsync } from "../support/program.ts";
import { randomBytesOf, sha256Of } from "../support/sample-tree.ts";

const FILE = "package.deb";

test("daemon --listen none: no HTTP port is open, the web server beside it gets the customers, peers and central do without", async () => {
  await using opened = new AsyncDisposableStack();
  const central = opened.use(new LoopbackCentral("no-http"));
  const bytes = randomBytesOf(1, 300_000);
  writeFileSync(join(central.tree, FILE), bytes);
  await central.publish();
  await central.serve(["--announce-interval", "10s"]);
  const web = createServer((_request, response) => void response.end(readFileSync(join(central.mirror("one"), FILE))));
  await new Promise<void>((listening) => web.listen(0, "127.0.0.1", listening));
  opened.defer(() => (web.closeAllConnections(), void web.close()));
  const url = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
  const words = [await central.invite("one"), central.mirror("one"), "--peer-port", "0", "--listen", "none"];
  const refused = await runPrsync(["daemon", ...words, "--only-redirected", "--access-log", "x"], { env: central.env });
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/only-redirected[^]*access-log/)]);
  const daemon = opened.use(
    await RunningProgram.start(["daemon", ...words, "--public-url", url], { env: central.env }),
  );
  expect(daemon.ready.http).toBeUndefined();
  await daemon.waitFor(({ event }) => event === "synced");
  await expect
    .poll(async () => (await fetch(`${central.url}/${FILE}`, { redirect: "manual" })).headers.get("location"))
    .toMatch(new RegExp(`^${url}/`));
  // Its control socket and its peers' port are all that listens.
  const listening = socketsOf(daemon.child.pid!, ["tcp", "tcp6"]).filter(({ isListening }) => isListening);
  expect(listening.map(({ localPort }) => localPort)).toEqual([Number(daemon.ready.peer.split(":").at(-1))]);
  const answer = await fetch(`${url}/${FILE}`);
  expect(sha256Of(await answer.bytes())).toBe(sha256Of(bytes));
  // Another mirror fetches from it.
  const { bytes: moved } = await central.sync("two");
  expect(moved.received).toBeGreaterThan(bytes.length);
});
