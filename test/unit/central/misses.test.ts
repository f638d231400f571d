import { once } from "node:events";
import { createServer, get, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import type { VolunteerStatus } from "../../../src/central/central-status.ts";
import { CentralFixture } from "../../support/central-fixture.ts";

const PATIENCE = { timeout: 20_000 };
const AUDITOR = "127.0.0.9";

/** Status of what a customer at this address gets. */
async function statusFor(fixture: CentralFixture, target: string, localAddress: string): Promise<number> {
  const [response] = (await once(get(fixture.program.httpUrl + target, { localAddress }), "response")) as [
    IncomingMessage,
  ];
  response.resume();
  return response.statusCode!;
}

test("a mirror that sends customers of three networks back is asked for that file, as a customer and at once", async () => {
  const asked: (readonly [target: string, from: string | undefined])[] = [];
  const lacking = createServer((request, response) => {
    asked.push([request.url!.split("?")[0]!, request.socket.remoteAddress]);
    response.writeHead(302, { Location: "http://127.0.0.1:1/a.iso?origin=1" }).end();
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void lacking.close().closeAllConnections());
  await once(lacking, "listening");
  const fixture = new CentralFixture();
  for (const name of ["a.iso", "b.iso", "c.iso"]) fixture.write(name, name.repeat(10_000));
  await fixture.publish();
  await fixture.serve({ auditIntervalMs: 24 * 3_600_000, auditFrom: [AUDITOR] });
  const volunteer = await fixture.volunteer("boaster");
  await volunteer.announce({ body: { url: `http://127.0.0.1:${(lacking.address() as AddressInfo).port}` } });
  await expect.poll(() => statusFor(fixture, "/a.iso", "127.0.9.1"), PATIENCE).toBe(302);
  for (const address of ["127.0.1.1", "127.0.2.1", "127.0.3.1"]) {
    expect(asked).toEqual([]);
    expect(await statusFor(fixture, "/b.iso", address)).toBe(302);
    expect(await statusFor(fixture, "/b.iso?origin=1", address)).toBe(200);
  }
  await expect.poll(() => asked, PATIENCE).toEqual([["/b.iso", AUDITOR]]);
  const told = (await (await fixture.get("/.prsync/api/v1/volunteers")).json()) as readonly VolunteerStatus[];
  expect(told[0]!.misses).toEqual({ customers: 3, networks: 3 });
}, 60_000);

test("serve does not start with an address to audit from that is not its host's", async () => {
  const fixture = new CentralFixture();
  fixture.write("a.iso", "a");
  await fixture.publish();
  await expect(fixture.serve({ auditFrom: ["127.0.0.1", "192.0.2.77"] })).rejects.toMatchObject({
    code: "bad-audit-address",
  });
});
