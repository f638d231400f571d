import { connect } from "node:net";
import { once } from "node:events";
import { expect, test } from "vitest";
import { parseStatusNetwork } from "../../../src/central/status-access.ts";
import type { ServeOptions } from "../../../src/central/serve-options.ts";
import { VolunteerRegistry } from "../../../src/store/volunteer-registry.ts";
import { CentralFixture } from "../../support/central-fixture.ts";
import { rawExchange } from "../../support/raw-http.ts";

const OWN_PATHS = ["api/v1/volunteers", "api/v1/status", "status", "metrics"];
/** What only the operator may see: an id, an address, a port, who was invited, who was shut out, and what went wrong. */
const SECRETS = ["127.0.0.1", "54321", "portState", "not-yet", "shut-out", "disk full"];

async function served(change: Partial<ServeOptions> = {}): Promise<{ fixture: CentralFixture; id: string }> {
  const fixture = new CentralFixture();
  fixture.write("a", "a");
  await fixture.publish();
  await fixture.serve(change);
  const { repository } = fixture;
  await fixture.program[Symbol.asyncDispose]();
  const renewIfDue = (): Promise<never> => Promise.reject(new Error("disk full"));
  const { repositoryId, passSigner } = repository;
  await fixture.serve(change, { authority: { repositoryId, passSigner, renewIfDue } });
  fixture.invite("not-yet");
  await fixture.volunteer("shut-out");
  using registry = VolunteerRegistry.open(fixture.stateDirectory, Date.now);
  registry.revoke("shut-out");
  const volunteer = await fixture.volunteer("physics");
  await volunteer.announce({ port: 54_321, body: { site: "campus", url: "http://mirror.example.org" } });
  return { fixture, id: volunteer.id };
}

/** All that is shown to a request with these fields, the Host included. */
async function shown({ program }: CentralFixture, fields: readonly string[], from = "127.0.0.1"): Promise<string> {
  const answers: string[] = [];
  for (const path of OWN_PATHS) {
    const socket = connect({ port: program.httpPort, host: "127.0.0.1", localAddress: from }).setEncoding("utf8");
    socket.write(`GET /.prsync/${path} HTTP/1.1\r\n${fields.join("\r\n")}\r\nConnection: close\r\n\r\n`);
    socket.on("data", (text: string) => answers.push(text));
    await once(socket, "close");
  }
  return answers.join("");
}

function secretsIn(text: string, id: string): readonly string[] {
  return [...SECRETS, id].filter((secret) => text.includes(secret));
}

test("from this machine all is shown; from elsewhere names, sites, releases and states, and nothing more", async () => {
  const { fixture, id } = await served({ statusNetworks: [{ address: "127.0.0.1", bits: 32 }] });
  const own = await shown(fixture, ["Host: 127.0.0.1:7380"]);
  expect(secretsIn(own, id)).toEqual([...SECRETS, id]);
  const others = await shown(fixture, ["Host: 127.0.0.1:7380"], "127.0.0.2");
  expect(secretsIn(others.replaceAll("127.0.0.0/16", ""), id)).toEqual([]);
  expect(others).toContain('"name":"physics","state":"enrolled","site":"campus"');
  expect(others).toContain("<td>physics<td>campus<td>enrolled<td>1");
  expect(others).toContain("prsync_warnings 1");
});

test("a page of another origin learns nothing through the operator's browser, by whatever name it calls us (T11)", async () => {
  const { fixture, id } = await served({ publicUrl: "http://central.example.org:7380" });
  const { httpPort } = fixture.program;
  const isAll = async (...fields: readonly string[]): Promise<boolean> =>
    secretsIn(await shown(fixture, fields), id).length > 2;
  const own = [
    await isAll(`Host: 127.0.0.1:${httpPort}`),
    await isAll(`Host: localhost:${httpPort}`),
    await isAll("Host: [::1]"),
    await isAll("Host: central.example.org:7380"),
    await isAll(`Host: localhost:${httpPort}`, `Origin: http://localhost:${httpPort}`, "Sec-Fetch-Site: same-origin"),
  ];
  expect(own).toEqual(own.map(() => true));
  const others = [
    await isAll(`Host: rebound.evil.example:${httpPort}`),
    await isAll("Host: central.example.org.evil.example:7380"),
    await isAll(`Host: localhost:${httpPort}`, "Origin: http://evil.example"),
    await isAll(`Host: localhost:${httpPort}`, "Origin: null"),
    await isAll(`Host: localhost:${httpPort}`, "Sec-Fetch-Site: cross-site"),
    // Somebody behind a proxy on this machine that nobody named.
    await isAll(`Host: localhost:${httpPort}`, "X-Forwarded-For: 203.0.113.9"),
  ];
  expect(others).toEqual(others.map(() => false));
});

test("behind a named proxy it is the customer's address that counts", async () => {
  const networks = [{ address: "10.0.0.0", bits: 8 }];
  const { fixture, id } = await served({ trustedProxies: ["127.0.0.1"], statusNetworks: networks });
  const from = (address: string): Promise<string> => shown(fixture, ["Host: 127.0.0.1", `X-Forwarded-For: ${address}`]);
  expect(secretsIn(await from("10.1.2.3"), id)).toContain(id);
  expect(secretsIn(await from("203.0.113.9"), id)).not.toContain(id);
});

test("behind a named proxy on this machine nobody is taken for the operator whose address it does not tell", async () => {
  const { fixture, id } = await served({ trustedProxies: ["127.0.0.1"] });
  const isAll = async (...fields: readonly string[]): Promise<boolean> =>
    secretsIn(await shown(fixture, ["Host: 127.0.0.1", ...fields]), id).includes(id);
  const others = [
    await isAll("X-Forwarded-For: 203.0.113.9:51234"),
    await isAll("X-Forwarded-For: unknown"),
    await isAll("X-Forwarded-For: [2001:db8::1]:99"),
    await isAll("X-Forwarded-For: 127.0.0.1, unknown"),
    await isAll("Via: 1.1 proxy"),
    await isAll("Forwarded: for=203.0.113.9"),
  ];
  expect(others).toEqual(others.map(() => false));
  expect([await isAll(), await isAll("X-Forwarded-For: 127.0.0.1")]).toEqual([true, true]);
});

test("the command line's way shows all, wherever the status may be seen from", async () => {
  const { fixture, id } = await served({ statusNetworks: [{ address: "203.0.113.9", bits: 32 }] });
  const request = "GET /.prsync/api/v1/volunteers HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
  expect(await rawExchange(fixture.program.httpPort, request)).not.toContain(id);
  const { callControl } = await import("../../../src/net/control-client.ts");
  const answer = await callControl(`${fixture.stateDirectory}/control.sock`, { command: "volunteers", argument: null });
  expect(JSON.stringify(answer)).toContain(id);
});

test.each([
  ["10.0.0.0/8", { address: "10.0.0.0", bits: 8 }],
  ["192.0.2.7", { address: "192.0.2.7", bits: 32 }],
  ["2001:db8::/32", { address: "2001:db8::", bits: 32 }],
  ["10.0.0.0/33", undefined],
  ["example.org", undefined],
  ["10.0.0/8", undefined],
  ["", undefined],
])("a network is ADDRESS or ADDRESS/BITS: %s", (text, network) => {
  expect(parseStatusNetwork(text)).toEqual(network);
});
