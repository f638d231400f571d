import { randomBytes } from "node:crypto";
import { createReadStream, existsSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LoopbackCentral } from "../support/loopback-central.ts";
import { runPrsync } from "../support/program.ts";

/** A mirror that cron synchronises while a web server, which knows names alone, gives it to customers. */
const central = new LoopbackCentral("cron-customers");
let web: Server;
let options: readonly string[];

beforeAll(async () => {
  for (const name of ["a.iso", "b.iso"]) writeFileSync(join(central.tree, name), randomBytes(100_000));
  await central.publish();
  await central.serve(["--announce-interval", "10s"]);
  web = createServer((request, response) => {
    const path = join(central.mirror("cron"), request.url!.split("?")[0]!);
    if (!existsSync(path)) return void response.writeHead(404).end();
    response.writeHead(200, { "Content-Length": statSync(path).size });
    createReadStream(path).pipe(response);
  }).listen(0, "127.0.0.1");
  await new Promise((listening) => web.once("listening", listening));
  const url = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
  options = ["--delete", "--public-url", url, "--expect", "1h"];
}, 120_000);

afterAll(async () => {
  web.closeAllConnections();
  web.close();
  await central[Symbol.asyncDispose]();
});

test("customers are sent there when the sync is over, to what is there by its name, until something is to be done or the mirror leaves", async () => {
  await central.sync("cron", options);
  await expect.poll(() => outcomeFor("a.iso")).toBe("cron");
  const answer = await fetch(`${central.url}/a.iso`);
  expect(new URL(answer.url).port).toBe(String((web.address() as AddressInfo).port));
  expect(Buffer.from(await answer.bytes()).equals(readFileSync(join(central.tree, "a.iso")))).toBe(true);
  const listed = await runPrsync(["volunteers", central.tree], { env: central.env });
  expect(listed.stdout).toMatch(/^cron\t.*release 1, away, by name, [^,]*$/m);
  // By contents it has all of the new release; by names it does not.
  renameSync(join(central.tree, "a.iso"), join(central.tree, "c.iso"));
  await central.publish();
  await expect.poll(() => outcomeFor("c.iso")).toBe("older-release");
  expect((await fetch(`${central.url}/c.iso`)).status).toBe(200);
  await central.sync("cron", options);
  await expect.poll(() => outcomeFor("c.iso")).toBe("cron");
  // Nothing to do: due again from now on all the same.
  const before = await lastSeen();
  await central.sync("cron", options);
  expect(await lastSeen()).not.toBe(before);
  // A run without says that nobody serves customers any more.
  await central.sync("cron", ["--delete", "--linger", "1s"]);
  await expect.poll(() => outcomeFor("c.iso")).toBeUndefined();
});

test("--expect without a web server to expect for is refused", async () => {
  const { code, stderr } = await runPrsync(["sync", central.mirror("cron"), "--expect", "1h"], { env: central.env });
  expect([code, stderr]).toEqual([1, expect.stringContaining("--expect needs --public-url")]);
});

/** The mirror's name if central sends customers there, else why not. */
async function outcomeFor(path: string): Promise<string | undefined> {
  const { ranked = [], rejected = [] } = (await (await fetch(`${central.url}/${path}?explain=json`)).json()) as {
    ranked?: { name: string }[];
    rejected?: { reason: string }[];
  };
  return ranked[0]?.name ?? rejected[0]?.reason;
}

async function lastSeen(): Promise<string> {
  const answer = await fetch(`${central.url}/.prsync/api/v1/volunteers`);
  const rows = (await answer.json()) as { lastSeen: string }[] | { volunteers: { lastSeen: string }[] };
  return (Array.isArray(rows) ? rows : rows.volunteers)[0]!.lastSeen;
}
