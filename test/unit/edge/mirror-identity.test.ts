import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { SyncError, type SyncErrorCode } from "../../../src/edge/errors.ts";
import { identifyMirror, type MirrorIdentity } from "../../../src/edge/mirror-identity.ts";
import { HttpClient } from "../../../src/net/http-client.ts";
import { NetError } from "../../../src/net/errors.ts";
import { ensurePrivateDirectory } from "../../../src/store/state-directory.ts";
import type { Ticket } from "../../../src/trust/ticket.ts";
import { CentralFixture, testKey } from "../../support/central-fixture.ts";

interface World {
  readonly central: CentralFixture;
  readonly state: string;
  readonly ticket: (change?: Partial<Ticket>) => Ticket;
  readonly identify: (ticket: Ticket | undefined, keyName?: string) => Promise<MirrorIdentity>;
}

async function world(): Promise<World> {
  const central = new CentralFixture();
  central.write("a", "a");
  await central.publish();
  await central.serve();
  const state = join(central.directory, "mirror-state");
  ensurePrivateDirectory(state);
  const http = new HttpClient();
  onTestFinished(async () => http[Symbol.asyncDispose]());
  const { repositoryId: repository, rootFingerprint: root } = central.repository;
  const first = { url: central.program.httpUrl, repository, root, name: "mirror", token: central.invite("mirror") };
  return {
    central,
    state,
    ticket: (change = {}) => ({ ...first, ...change }),
    identify: (ticket, keyName = "key") =>
      identifyMirror(state, ticket, { key: testKey(keyName), http, signal: new AbortController().signal }),
  };
}

async function codeOf(act: Promise<unknown>): Promise<SyncErrorCode | "none"> {
  const [outcome] = await Promise.allSettled([act]);
  if (outcome.status === "fulfilled") return "none";
  if (outcome.reason instanceof SyncError) return outcome.reason.code;
  throw outcome.reason;
}

test("a mirror enrols once; afterwards it needs neither ticket nor central", async () => {
  const { central, identify, ticket } = await world();
  const identity = await identify(ticket());
  expect(identity).toMatchObject({ name: "mirror", centralUrl: central.program.httpUrl });
  await central.program[Symbol.asyncDispose]();
  expect(await identify(undefined)).toEqual(identity);
  expect(await identify(ticket())).toEqual(identity);
});

test("without identity and ticket it is told what is missing", async () => {
  const { identify } = await world();
  expect(await codeOf(identify(undefined))).toBe("not-enrolled");
});

test("a ticket of another repository is refused, the same ticket brings a new address", async () => {
  const { identify, ticket } = await world();
  await identify(ticket());
  expect(await codeOf(identify(ticket({ repository: "f".repeat(32) })))).toBe("other-repository");
  expect((await identify(ticket({ url: "http://moved:1" }))).centralUrl).toBe("http://moved:1");
  expect((await identify(undefined)).centralUrl).toBe("http://moved:1");
});

test("a lost key is told, not announced under an unknown id for ever", async () => {
  const { identify, ticket } = await world();
  await identify(ticket());
  expect(await codeOf(identify(undefined, "another key"))).toBe("not-enrolled");
  expect(await codeOf(identify(ticket(), "another key"))).toBe("not-enrolled");
});

test("a wrong token, a name that another key has, and a silent central each end in their own way", async () => {
  const { central, identify, ticket } = await world();
  expect(await codeOf(identify(ticket({ token: Buffer.alloc(32) })))).toBe("bad-ticket");
  await central.enrol(ticket().token, "mirror", testKey("first"));
  expect(await codeOf(identify(ticket()))).toBe("already-enrolled");
  await central.program[Symbol.asyncDispose]();
  await expect(identify(ticket())).rejects.toThrow(NetError);
});

test("a mirror that is given another name's ticket is told its own name, and can take the other once its key is free", async () => {
  const { central, identify, ticket } = await world();
  await identify(ticket());
  const renamed = ticket({ name: "other", token: central.invite("other") });
  await expect(identify(renamed)).rejects.toThrow(`key is enrolled as "mirror" and can't be "other" as well`);
  expect((await identify(undefined)).name).toBe("mirror");
  const taken = ticket({ name: "taken", token: central.invite("taken") });
  await central.enrol(taken.token, "taken", testKey("taken"));
  await expect(identify(taken)).rejects.toThrow('"taken" is already enrolled with another key');
  central.invite("mirror", { again: true });
  expect((await identify(renamed)).name).toBe("other");
});

test("a damaged identity is named, not overwritten", async () => {
  const { identify, state, ticket } = await world();
  await identify(ticket());
  writeFileSync(join(state, "identity.json"), '{"repository":"');
  expect(await codeOf(identify(undefined))).toBe("not-enrolled");
  expect(await codeOf(identify(ticket()))).toBe("not-enrolled");
});
