import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { AuditAddresses } from "../../../src/central/audit-addresses.ts";
import type { CustomerTraces } from "../../../src/central/customer-choice.ts";
import { RedirectSignatures } from "../../../src/central/redirect-signatures.ts";
import { BUILT_IN_CUSTOMER } from "../../../src/central/seen-customers.ts";
import { VolunteerAudits } from "../../../src/central/volunteer-audits.ts";
import { seededRandom } from "../../../src/core/clock.ts";
import { parseContentId } from "../../../src/core/content-id.ts";
import { repoPathFromText } from "../../../src/core/repo-path.ts";
import { SentSamples } from "../../../src/delivery/sent-samples.ts";
import { VolunteerMisses } from "../../../src/delivery/volunteer-misses.ts";
import { TufRepository } from "../../../src/publisher/tuf-repository.ts";
import { PublishedTreeReader } from "../../../src/store/published-tree.ts";
import type { LiveVolunteer } from "../../../src/tracker/live-volunteer.ts";
import { LiveVolunteers } from "../../../src/tracker/live-volunteers.ts";
import { CentralFixture } from "../../support/central-fixture.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { sampleVolunteer } from "../tracker/sample-volunteer.ts";

const FILE = Buffer.from(Array.from({ length: 2_000_000 }, (_, index) => (index * 7919) >> 8));
const INTERVAL_MS = 60_000;
const STRANGER = "Strange/1.0";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** These bytes, or a range of them, as web servers send them. */
function nameless(bytes: Buffer): Answer {
  return ({ headers }, response) => {
    if (headers.range === undefined) return void response.writeHead(200).end(bytes);
    const [start = "", last = ""] = /^bytes=(\d+)-(\d*)$/.exec(headers.range)!.slice(1);
    const end = last === "" ? bytes.length : Number(last) + 1;
    response.writeHead(206, { "Content-Range": `bytes ${start}-${end - 1}/${bytes.length}` });
    response.end(bytes.subarray(Number(start), end));
  };
}

/** The same, named as the content that was asked for. */
const partOf = (bytes: Buffer): Answer => named(nameless(bytes));

function named(answer: Answer, weak = ""): Answer {
  return (request, response) => {
    const content = new URL(request.url!, "http://x").searchParams.get("sha256")!;
    answer(request, response.setHeader("ETag", `${weak}"${content}"`));
  };
}

const status =
  (code: number): Answer =>
  (_request, response) =>
    response.writeHead(code).end();
const whole = (bytes: Buffer): Answer =>
  named((_request, response) => response.writeHead(200, { "Content-Length": bytes.length }).end(bytes));
const ROTTEN = Buffer.alloc(FILE.length, "r");

interface Audited {
  /** Audits so many times, each a good while after the last one. */
  readonly audit: (answer: Answer, times: number) => Promise<string | undefined>;
  readonly agents: readonly string[];
  /** Path and `Range` of each question. */
  readonly asked: readonly (readonly [path: string, range: string | undefined])[];
  readonly warnings: readonly string[];
  /** Looks whose turn it is, and waits for the answers. */
  readonly look: (answer: Answer, afterMs: number) => Promise<string | undefined>;
  readonly traces: CustomerTraces;
  readonly clock: ManualClock;
  readonly fixture: CentralFixture;
  /** It announces that it shows that release. */
  readonly holdRelease: (release: number) => void;
}

/** A mirror that answers as told, audited against a tree that was really published. */
async function audited(
  change: Partial<LiveVolunteer> = {},
  {
    files = { "a.iso": FILE },
    minBytes = 0,
    auditFrom = [],
    addresses,
  }: {
    readonly files?: Record<string, Buffer>;
    readonly minBytes?: number;
    readonly auditFrom?: readonly string[];
    readonly addresses?: Pick<AuditAddresses, "drawFor">;
  } = {},
): Promise<Audited> {
  const fixture = new CentralFixture();
  for (const [name, bytes] of Object.entries(files)) fixture.write(name, bytes);
  await fixture.publish();
  const { treePath, stateDirectory } = fixture;
  const workDirectory = join(fixture.directory, "work");
  const tree = await PublishedTreeReader.open({ treePath, stateDirectory, workDirectory });
  const agents: string[] = [];
  const asked: [string, string | undefined][] = [];
  const traces = { sent: new SentSamples(seededRandom(3)), misses: new VolunteerMisses() };
  let answer: Answer = status(500);
  const server = createServer((request, response) => {
    agents.push(request.headers["user-agent"] ?? "");
    asked.push([request.url!.split("?")[0]!, request.headers.range]);
    answer(request, response);
  }).listen(0, "127.0.0.1");
  await new Promise((listening) => server.once("listening", listening));
  const clock = new ManualClock();
  const live = new LiveVolunteers(clock, 24 * 3_600_000);
  const volunteer = {
    ...sampleVolunteer("a", "north"),
    isSyncing: false,
    host: "127.0.0.1",
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    release: tree.release!.number,
    holdings: { completeRelease: 1, bundles: new Map() },
    ...change,
  };
  live.restore([{ ...volunteer, unheardIntervals: 0 }]);
  const log = (): void => undefined;
  const warnings: string[] = [];
  const audits = new VolunteerAudits(
    {
      tree,
      live,
      signatures: new RedirectSignatures(await TufRepository.openOrCreate(stateDirectory, clock), clock),
      clock,
      random: seededRandom(1),
      log: { debug: log, info: log, warn: (told) => void warnings.push(JSON.stringify(told)), error: log },
      customerHeaders: () => ({ "user-agent": STRANGER }),
      traces,
      addresses: addresses ?? (await AuditAddresses.open(auditFrom)),
      minBytes,
    },
    { intervalMs: INTERVAL_MS, announcedWithinMs: 2 * INTERVAL_MS },
  );
  onTestFinished(async () => {
    await audits[Symbol.asyncDispose]();
    server.closeAllConnections();
    server.close();
    tree[Symbol.dispose]();
  });
  const audit = async (next: Answer, times: number): Promise<string | undefined> => {
    answer = next;
    for (let turn = 0; turn < times; turn++) {
      audits.start();
      clock.advance(2 * INTERVAL_MS);
      audits.start();
      await audits.finished();
    }
    return audits.reasonAgainst("a");
  };
  const holdRelease = (release: number): void => {
    live.remove("a");
    live.restore([
      { ...volunteer, unheardIntervals: 0, release, holdings: { completeRelease: release, bundles: new Map() } },
    ]);
  };
  const look = async (next: Answer, afterMs: number): Promise<string | undefined> => {
    answer = next;
    clock.advance(afterMs);
    audits.start();
    await audits.finished();
    return audits.reasonAgainst("a");
  };
  return { audit, look, agents, asked, warnings, traces, clock, fixture, holdRelease };
}

test("what customers get is compared: a range, or the whole file from a server that knows no ranges", async () => {
  const { audit, agents } = await audited();
  expect(await audit(partOf(FILE), 20)).toBeUndefined();
  expect(await audit(whole(FILE), 20)).toBeUndefined();
  expect(agents).toEqual(Array<string>(40).fill(STRANGER));
});

test("wrong bytes twice cost the customers until it passes again", async () => {
  const { audit } = await audited();
  expect(await audit(partOf(ROTTEN), 1)).toBeUndefined();
  expect(await audit(partOf(ROTTEN), 1)).toBe("wrong bytes");
  expect(await audit(status(503), 1)).toBe("wrong bytes");
  expect(await audit(partOf(FILE), 1)).toBeUndefined();
});

test.each([
  ["other bytes in one piece", whole(ROTTEN)],
  ["a shorter file", whole(FILE.subarray(1))],
  ["a longer file", partOf(Buffer.concat([FILE, FILE]))],
  ["that there is no such range", status(416)],
])("a server that sends %s loses its customers", async (_what, answer) => {
  const { audit } = await audited();
  expect(await audit(answer, 8)).toBe("wrong bytes");
});

test("one rotten block of 64 KiB in a large file is met, and only that range passing brings the customers back", async () => {
  const { audit, asked } = await audited();
  const rotten = Buffer.from(FILE);
  rotten.fill(0xff, 1_000_000, 1_065_536);
  let questions = 0;
  while ((await audit(partOf(rotten), 1)) === undefined && questions < 200) questions++;
  expect(questions).toBeLessThan(200);
  const [first, second] = asked.slice(-2);
  expect(second).toEqual(first);
  // All else is sound, but nothing else is asked for.
  expect(await audit(partOf(rotten), 5)).toBe("wrong bytes");
  expect(new Set(asked.slice(-6).map(([, range]) => range))).toEqual(new Set([first![1]]));
  // Who knows no ranges any more was not asked for this one.
  expect(await audit(whole(FILE), 1)).toBe("wrong bytes");
  expect(await audit(partOf(FILE), 1)).toBeUndefined();
});

test.each([503, 429])("a volunteer that answers %i twice keeps its customers, for hours it does not", async (code) => {
  const { audit } = await audited();
  expect(await audit(status(code), 2)).toBeUndefined();
  expect(await audit(partOf(FILE), 1)).toBeUndefined();
  expect(await audit(status(code), 2)).toBeUndefined();
  expect(await audit(status(code), 4)).toBe("no proper answer");
});

test("nothing there, twice at different times", async () => {
  const { audit } = await audited();
  expect(await audit(status(404), 1)).toBeUndefined();
  expect(await audit(status(404), 1)).toBe("no proper answer");
});

test("a connection that ends is no answer; after any failure no stranger's header fields are sent", async () => {
  const { audit, agents } = await audited();
  expect(await audit(({ socket }) => socket.destroy(), 2)).toBeUndefined();
  expect(agents).toEqual([STRANGER, BUILT_IN_CUSTOMER["user-agent"]]);
});

test("asked by content nobody has another release as an excuse", async () => {
  for (const [answer, reason] of [
    [partOf(ROTTEN), "wrong bytes"],
    [nameless(ROTTEN), "wrong bytes"],
    [status(404), "no proper answer"],
  ] as const) {
    const { audit } = await audited({ release: 0 });
    expect(await audit(answer, 2)).toBe(reason);
    expect(await audit(partOf(FILE), 1)).toBeUndefined();
  }
});

test("who says that it is asked by content and does not name it passes no audit, right bytes or not", async () => {
  const { audit } = await audited();
  expect(await audit(nameless(FILE), 3)).toBeUndefined();
  expect(await audit(nameless(FILE), 1)).toBe("no proper answer");
  expect(await audit(named(nameless(FILE), "W/"), 1)).toBeUndefined();
});

test("a web server that knows names alone names no content, and is asked about the newest release only", async () => {
  const newest = await audited({ isByName: true });
  expect(await newest.audit(nameless(FILE), 4)).toBeUndefined();
  expect(await newest.audit(nameless(ROTTEN), 2)).toBe("wrong bytes");
  const older = await audited({ isByName: true, release: 0 });
  await older.audit(nameless(ROTTEN), 2);
  const atWork = await audited({ isByName: true, isSyncing: true });
  await atWork.audit(nameless(ROTTEN), 2);
  expect([older.agents, atWork.agents]).toEqual([[], []]);
});

test("a release that comes while a web server is asked, or after it failed, excuses what it has under a name", async () => {
  const { audit, agents, fixture, holdRelease } = await audited({ isByName: true });
  let published = 1;
  const meanwhile: Answer = (request, response) => {
    fixture.write(`b${++published}.iso`, Buffer.alloc(100_000, String(published)));
    void fixture.publish().then(() => nameless(ROTTEN)(request, response));
  };
  for (const release of [1, 2, 3]) {
    holdRelease(release);
    expect(await audit(meanwhile, 1)).toBeUndefined();
  }
  expect(await audit(nameless(ROTTEN), 3)).toBeUndefined();
  expect(agents).toHaveLength(3);
});

test("a file of which central has no sound copy is nobody's failure", async () => {
  const { audit, fixture, agents } = await audited();
  fixture.write("a.iso", ROTTEN, 1);
  expect(await audit(partOf(FILE), 6)).toBeUndefined();
  expect(agents.length).toBeLessThan(2);
});

test("who holds nothing, or stands where the volunteer itself could not reach it, is not asked", async () => {
  const empty = await audited({ holdings: { completeRelease: 0, bundles: new Map() } });
  await empty.audit(partOf(FILE), 2);
  const outside = await audited({ host: "192.0.2.1" });
  await outside.audit(partOf(FILE), 2);
  expect([empty.agents, outside.agents]).toEqual([[], []]);
});

test("questions have the shapes of customers' requests: no range, from somewhere on, and a part; short files whole", async () => {
  const long = await audited();
  await long.audit(partOf(FILE), 40);
  const ranges = long.asked.map(([, range]) => range ?? "none");
  const of = (shape: RegExp): readonly string[] => ranges.filter((range) => shape.test(range));
  expect(of(/^none$/).length).toBeGreaterThan(3);
  expect(new Set(of(/^bytes=\d+-$/)).size).toBeGreaterThan(10);
  const parts = of(/^bytes=\d+-\d+$/).map((range) => range.match(/\d+/g)!.map(Number));
  expect(parts.length).toBeGreaterThan(3);
  // No length that tells an audit.
  expect(new Set(parts.map(([start = 0, last = 0]) => last - start)).size).toBe(parts.length);
  const short = Buffer.alloc(100_000, "s");
  const { audit, asked } = await audited({}, { files: { "s.deb": short } });
  expect(await audit(partOf(short), 5)).toBeUndefined();
  expect(asked).toEqual(Array(5).fill(["/s.deb", undefined]));
});

const MIXED: Record<string, Buffer> = { "a.iso": FILE };
for (let index = 0; index < 40; index++) MIXED[`small-${index}.deb`] = Buffer.alloc(20_000, index);
MIXED["tiny"] = Buffer.alloc(1_000, "t");

const answerMixed: Answer = (request, response) => {
  partOf(MIXED[request.url!.slice(1).split("?")[0]!]!)(request, response);
};

/** A file as a customer was sent to the volunteer for it. */
function sent(name: string): Parameters<SentSamples["note"]>[1] {
  const content = parseContentId(createHash("sha256").update(MIXED[name]!).digest("hex"));
  return { path: repoPathFromText(name), served: { content, lengthBytes: MIXED[name]!.length } };
}

test("half of the questions are about what customers were sent there for, the others about anything but what central sends itself", async () => {
  const { audit, asked, traces } = await audited({}, { files: MIXED, minBytes: 16 * 1024 });
  for (let turn = 0; turn < 60; turn++) {
    traces.sent.note("a", sent("a.iso"), FILE.length);
    traces.sent.note("a", sent("tiny"), 1);
    expect(await audit(answerMixed, 1)).toBeUndefined();
  }
  const paths = asked.map(([path]) => path);
  expect(paths.filter((path) => path === "/a.iso").length).toBeGreaterThan(20);
  expect(paths.filter((path) => path.startsWith("/small")).length).toBeGreaterThan(20);
  expect(paths).not.toContain("/tiny");
});

test("what customers of several networks were sent back for is asked for at once, and being sent back is not having it", async () => {
  const { audit, look, asked, traces, clock } = await audited({}, { files: MIXED });
  const toOrigin: Answer = (_request, response) =>
    response.writeHead(302, { Location: "http://central/small-7.deb?origin=1" }).end();
  const sentBack = (network: string): void =>
    traces.misses.note("a", sent("small-7.deb"), { network, nowMs: clock.monotonicMs() });
  await audit(answerMixed, 1);
  const before = asked.length;
  for (const network of ["one", "two", "one", "two"]) sentBack(network);
  await look(toOrigin, 0);
  expect(asked.length).toBe(before);
  sentBack("three");
  expect(await look(toOrigin, 0)).toBeUndefined();
  expect(asked.slice(before)).toEqual([["/small-7.deb", undefined]]);
  // It may have announced that since; if it still claims it, it lied.
  expect(await look(toOrigin, INTERVAL_MS)).toBe("no proper answer");
  expect(asked.slice(before)).toEqual(Array(2).fill(["/small-7.deb", undefined]));
});

test("a mirror that put another release in place meanwhile, and passes, keeps its customers", async () => {
  const { look, traces, clock } = await audited({}, { files: MIXED });
  const toOrigin: Answer = (_request, response) => response.writeHead(302, { Location: "/small-7.deb?origin=1" }).end();
  for (const network of ["one", "two", "three"])
    traces.misses.note("a", sent("small-7.deb"), { network, nowMs: clock.monotonicMs() });
  expect(await look(toOrigin, 0)).toBeUndefined();
  expect(await look(answerMixed, INTERVAL_MS)).toBeUndefined();
});

/** Customers of three networks say that they were sent back for this file: every minute, as often as they are believed. */
function hint({ traces, clock }: Audited, name: string): void {
  for (const network of ["one", "two", "three"])
    traces.misses.note("a", sent(name), { network, nowMs: clock.monotonicMs() });
}

test("what customers were sent back for is not asked while a question waits for its second look, and that look is not hurried", async () => {
  const mirror = await audited({}, { files: MIXED });
  const { audit, look, asked, traces } = mirror;
  expect(await audit(status(404), 1)).toBeUndefined();
  const missing = asked.at(-1)!;
  // Its own turn comes after half an interval at the earliest, the second look after a whole one.
  for (let second = 0; second < 29; second++) {
    hint(mirror, second === 0 ? missing[0].slice(1) : "small-7.deb");
    await look(status(404), 1_000);
  }
  expect([asked.length, traces.misses.hasHint("a")]).toEqual([1, false]);
  expect(await look(answerMixed, INTERVAL_MS - 29_000 - 1)).toBeUndefined();
  const before = asked.length;
  await look(answerMixed, 1);
  expect(asked.slice(before)).toEqual([missing]);
});

test("a mirror that makes accomplices hint, and does not answer then, is asked its own questions all the same", async () => {
  const mirror = await audited({}, { files: MIXED });
  const { look, asked } = mirror;
  const busyForHints: Answer = (request, response) =>
    (request.url!.startsWith("/small-7") ? status(503) : answerMixed)(request, response);
  for (let second = 0; second < 1_200; second += 5) {
    hint(mirror, "small-7.deb");
    await look(busyForHints, 5_000);
  }
  const own = asked.filter(([path]) => path !== "/small-7.deb").length;
  // Of twenty intervals, and at most one a minute of the others.
  expect(own).toBeGreaterThan(14);
  expect(asked.length - own).toBeGreaterThan(14);
  expect(asked.length - own).toBeLessThan(23);
});

test("who gives right bytes to central's address alone is found from another one (row H18)", async () => {
  const behaving: Answer = (request, response) =>
    partOf(request.socket.remoteAddress === "127.0.0.1" ? FILE : ROTTEN)(request, response);
  const known = await audited();
  expect(await known.audit(behaving, 5)).toBeUndefined();
  const { audit } = await audited({}, { auditFrom: ["127.0.0.9"] });
  expect(await audit(behaving, 2)).toBe("wrong bytes");
});

test("an address to audit from is drawn among those of the family that the volunteer has", async () => {
  const addresses = await AuditAddresses.open(["127.0.0.8", "127.0.0.9"]);
  const drawn = (host: string, random: number) => addresses.drawFor(host, () => random);
  expect(await Promise.all([drawn("127.0.0.1", 0), drawn("127.0.0.1", 0.9)])).toEqual(["127.0.0.8", "127.0.0.9"]);
  expect(await Promise.all([drawn("localhost", 0), drawn("[::1]", 0)])).toEqual(["127.0.0.8", undefined]);
});

test("an address to audit from that went away since the start is no fault of mirrors, and central says so", async () => {
  const { audit, asked, warnings } = await audited({}, { addresses: { drawFor: async () => "192.0.2.77" } });
  expect(await audit(partOf(FILE), 8)).toBeUndefined();
  expect(asked).toEqual([]);
  expect(warnings.length).toBe(8);
  expect(warnings[0]).toContain("192.0.2.77");
});

test("a mirror that does not answer one address to audit from is asked without it before it loses its customers", async () => {
  const dropping: Answer = (request, response) =>
    request.socket.remoteAddress === "127.0.0.9" ? request.socket.destroy() : partOf(FILE)(request, response);
  const { audit, asked, warnings } = await audited({}, { auditFrom: ["127.0.0.9"] });
  expect(await audit(dropping, 3)).toBeUndefined();
  // Not before: it shows who audits.
  expect([asked.length, warnings]).toEqual([3, []]);
  expect(await audit(dropping, 5)).toBeUndefined();
  expect(warnings.length).toBe(5);
  expect(warnings[0]).toContain("127.0.0.9");
  expect(await audit(status(503), 2)).toBe("no proper answer");
});

test.each(["0.0.0.0", "::", "0:0::0", "224.0.0.251", "ff02::1", "::ffff:0.0.0.0"])(
  "nobody audits from %s",
  async (address) => {
    await expect(AuditAddresses.open([address])).rejects.toMatchObject({ code: "bad-audit-address" });
  },
);

test("a busy mirror that needs 50 s for its answer is no worse than others", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const slow = named((_request, response) => {
    response.writeHead(200, { "Content-Length": short.length }).write(short.subarray(0, 1_000));
    // Once central reads, 50 s pass.
    setImmediate(() =>
      setImmediate(() => void vi.advanceTimersByTimeAsync(50_000).then(() => response.end(short.subarray(1_000)))),
    );
  });
  const short = Buffer.alloc(100_000, "s");
  const { audit, asked } = await audited({}, { files: { "s.deb": short } });
  expect(await audit(slow, 6)).toBeUndefined();
  expect(asked.length).toBe(6);
});
