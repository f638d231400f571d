import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { RedirectSignatures } from "../../../src/central/redirect-signatures.ts";
import { BUILT_IN_CUSTOMER } from "../../../src/central/seen-customers.ts";
import { VolunteerAudits } from "../../../src/central/volunteer-audits.ts";
import { seededRandom } from "../../../src/core/clock.ts";
import { TufRepository } from "../../../src/publisher/tuf-repository.ts";
import { PublishedTreeReader } from "../../../src/store/published-tree.ts";
import type { LiveVolunteer } from "../../../src/tracker/live-volunteer.ts";
import { LiveVolunteers } from "../../../src/tracker/live-volunteers.ts";
import { CentralFixture } from "../../support/central-fixture.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { sampleVolunteer } from "../tracker/sample-volunteer.ts";

const FILE = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7919) >> 8));
const INTERVAL_MS = 60_000;
const STRANGER = "Strange/1.0";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A range of these bytes, as web servers send it. */
function nameless(bytes: Buffer): Answer {
  return ({ headers }, response) => {
    const [start = 0, last = 0] = /^bytes=(\d+)-(\d+)$/.exec(headers.range!)!.slice(1).map(Number);
    response.writeHead(206, { "Content-Range": `bytes ${start}-${last}/${bytes.length}` });
    response.end(bytes.subarray(start, last + 1));
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
  readonly fixture: CentralFixture;
  /** It announces that it shows that release. */
  readonly holdRelease: (release: number) => void;
}

/** A mirror that answers as told, audited against a tree that was really published. */
async function audited(change: Partial<LiveVolunteer> = {}): Promise<Audited> {
  const fixture = new CentralFixture();
  fixture.write("a.iso", FILE);
  await fixture.publish();
  const { treePath, stateDirectory } = fixture;
  const workDirectory = join(fixture.directory, "work");
  const tree = await PublishedTreeReader.open({ treePath, stateDirectory, workDirectory });
  const agents: string[] = [];
  let answer: Answer = status(500);
  const server = createServer((request, response) => {
    agents.push(request.headers["user-agent"] ?? "");
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
  live.restore([volunteer]);
  const log = (): void => undefined;
  const audits = new VolunteerAudits(
    {
      tree,
      live,
      signatures: new RedirectSignatures(await TufRepository.openOrCreate(stateDirectory, clock), clock),
      clock,
      random: seededRandom(1),
      log: { debug: log, info: log, warn: log, error: log },
      customerHeaders: () => ({ "user-agent": STRANGER }),
    },
    INTERVAL_MS,
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
    live.restore([{ ...volunteer, release, holdings: { completeRelease: release, bundles: new Map() } }]);
  };
  return { audit, agents, fixture, holdRelease };
}

test("what customers get is compared: a range, or the whole file from a server that knows no ranges", async () => {
  const { audit, agents } = await audited();
  expect(await audit(partOf(FILE), 3)).toBeUndefined();
  expect(await audit(whole(FILE), 3)).toBeUndefined();
  expect(agents).toEqual(Array<string>(6).fill(STRANGER));
});

test("wrong bytes twice cost the customers until it passes again", async () => {
  const { audit } = await audited();
  expect(await audit(partOf(ROTTEN), 1)).toBeUndefined();
  expect(await audit(partOf(ROTTEN), 1)).toBe("wrong bytes");
  expect(await audit(status(503), 1)).toBe("wrong bytes");
  expect(await audit(partOf(FILE), 1)).toBeUndefined();
  expect(await audit(whole(ROTTEN), 2)).toBe("wrong bytes");
  expect(await audit(partOf(FILE), 1)).toBeUndefined();
  expect(await audit(whole(FILE.subarray(1)), 2)).toBe("wrong bytes");
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
  const { audit } = await audited({ release: 0 });
  expect(await audit(partOf(ROTTEN), 2)).toBe("wrong bytes");
  expect(await audit(partOf(FILE), 1)).toBeUndefined();
  expect(await audit(nameless(ROTTEN), 2)).toBe("wrong bytes");
  expect(await audit(partOf(FILE), 1)).toBeUndefined();
  expect(await audit(status(404), 2)).toBe("no proper answer");
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
