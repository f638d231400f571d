import { rmSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SAVED_REGISTRY_FILE } from "../../../src/central/saved-registry.ts";
import { VolunteerRegistry } from "../../../src/store/volunteer-registry.ts";
import { signRequest } from "../../../src/trust/request-signature.ts";
import { SigningKey, volunteerIdOf } from "../../../src/trust/signing-key.ts";
import { CentralFixture } from "../../support/central-fixture.ts";

const VOLUNTEERS = 1_000;
const AT_ONCE = 16;

interface Member {
  readonly key: SigningKey;
  readonly id: string;
  /** Of loopback, its own: central limits each address. */
  readonly address: string;
}

interface Answer {
  readonly interval: number;
  readonly holdingsId: number;
  readonly fullHoldingsWanted: boolean;
}

function enrolled(fixture: CentralFixture): readonly Member[] {
  using registry = VolunteerRegistry.open(fixture.stateDirectory, Date.now);
  return Array.from({ length: VOLUNTEERS }, (_, number) => {
    const seed = Buffer.alloc(32);
    seed.writeUInt32BE(number + 1);
    const key = SigningKey.fromSeed(seed);
    registry.invite(`m${number}`);
    registry.enrol(`m${number}`, key.publicKey);
    return { key, id: volunteerIdOf(key.publicKey), address: `127.2.${number >> 8}.${number & 255}` };
  });
}

/** All announce, some at once. */
async function announceAll(
  { program, repository }: CentralFixture,
  members: readonly Member[],
  holdingsOf: (number: number) => object,
): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let number = next++; number < members.length; number = next++) {
      const { key, id, address: localAddress } = members[number]!;
      const target = `/.prsync/announce?peer_id=${id.replace(/../g, "%$&")}&port=7382&uploaded=0&downloaded=0&left=0`;
      const told = { release: 1, syncing: false, bytesLeft: 0, customers: 0, uploadBytesPerSecond: 0 };
      const url = `http://127.0.0.1:1/m${number}`;
      const more = { repository: repository.repositoryId, uploadCapacityBytesPerSecond: 0, url };
      const body = JSON.stringify({ ...told, ...more, holdings: holdingsOf(number) });
      const signed = { method: "POST", target, sequence: ++sequence, body: Buffer.from(body) };
      const headers = {
        "Prsync-Volunteer": id,
        "Prsync-Sequence": String(sequence),
        "Prsync-Signature": signRequest(key, signed),
      };
      answers[number] = await post(program.httpUrl + target, { localAddress, headers }, body);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return answers;
}
let sequence = Date.now();

function post(
  url: string,
  from: { readonly localAddress: string; readonly headers: object },
  body: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { ...from, headers: { ...from.headers }, method: "POST", agent: false }, (response) => {
      void response
        .setEncoding("utf8")
        .toArray()
        .then((parts: readonly string[]) => {
          if (response.statusCode === 200) resolve(JSON.parse(parts.join("")) as Answer);
          else reject(new Error(`${response.statusCode} ${parts.join("")}`));
        }, reject);
    });
    asked.on("error", reject).end(body);
  });
}

async function rankedOf(fixture: CentralFixture): Promise<number> {
  const answer = await fixture.get("/a.iso?explain=json");
  return ((await answer.json()) as { readonly ranked: readonly object[] }).ranked.length;
}

test("a thousand volunteers are known again after a restart, and after one that lost all about them within an interval", async () => {
  const fixture = new CentralFixture();
  fixture.write("a.iso", "i".repeat(50_000));
  await fixture.publish();
  await fixture.serve();
  const members = enrolled(fixture);
  const first = await announceAll(fixture, members, () => ({ base: 0, complete: 1 }));
  expect(await rankedOf(fixture)).toBe(VOLUNTEERS);
  // They will not come together again: told times are spread over a fifth of the interval.
  const intervals = first.map(({ interval }) => interval).sort((a, b) => a - b);
  expect(intervals.at(-1)! - intervals[0]!).toBeGreaterThanOrEqual(8);
  expect(new Set(intervals).size).toBeGreaterThan(8);

  await fixture.program[Symbol.asyncDispose]();
  await fixture.serve();
  // Believed for an interval; meanwhile each is asked for all it has.
  expect(await rankedOf(fixture)).toBe(VOLUNTEERS);
  expect((await fixture.get("/a.iso")).status).toBe(302);
  const changes = (number: number): object => ({ base: first[number]!.holdingsId, bundles: [] });
  const second = await announceAll(fixture, members, changes);
  expect(second.filter(({ fullHoldingsWanted }) => fullHoldingsWanted)).toHaveLength(VOLUNTEERS);

  await fixture.program[Symbol.asyncDispose]();
  rmSync(join(fixture.stateDirectory, SAVED_REGISTRY_FILE));
  await fixture.serve();
  expect(await rankedOf(fixture)).toBe(0);
  await announceAll(fixture, members, () => ({ base: 0, complete: 1 }));
  expect(await rankedOf(fixture)).toBe(VOLUNTEERS);
  expect((await fixture.get("/a.iso")).status).toBe(302);
});
