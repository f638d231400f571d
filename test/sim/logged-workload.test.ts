import fc from "fast-check";
import { expect, test } from "vitest";
import { LoggedWorkload, type LoggedDownload } from "../../src/sim/logged-workload.ts";

const HOUR_SECONDS = 3600;

const downloads: fc.Arbitrary<LoggedDownload[]> = fc.array(
  fc
    .record({
      hour: fc.integer({ min: 0, max: 60 }),
      path: fc.constantFrom("/a.deb", "/b.deb", "/c.iso", "/d.deb"),
      client: fc.constantFrom("10.0.0.1", "10.0.0.2", "10.1.0.1"),
      bytes: fc.integer({ min: 0, max: 3 }),
      isWhole: fc.boolean(),
    })
    .map(({ hour, client, ...rest }) => ({
      ...rest,
      client,
      kind: "package",
      timeSeconds: hour * HOUR_SECONDS,
      site: client.slice(0, 4),
    })),
  { maxLength: 20 },
);

test("the order in which downloads are told says nothing", () => {
  const shuffled = downloads.chain((told) =>
    fc.tuple(fc.constant(told), fc.shuffledSubarray(told, { minLength: told.length, maxLength: told.length })),
  );
  fc.assert(
    fc.property(shuffled, ([told, otherwise]) => {
      expect(played(otherwise)).toEqual(played(told));
    }),
  );
});

test("a file is as old as its first download, whichever log tells of it first", () => {
  const at = (hour: number): LoggedDownload => ({
    timeSeconds: hour * HOUR_SECONDS,
    path: "/a.deb",
    kind: "package",
    client: "10.0.0.1",
    bytes: 5,
    isWhole: true,
    site: undefined,
  });
  expect(played([at(50), at(2)]).workload).toMatchObject({ files: [{ release: 0 }], publishedSeconds: [0] });
});

function played(told: readonly LoggedDownload[]): { readonly workload: unknown; readonly unsized: number } {
  const logged = new LoggedWorkload();
  for (const download of told) logged.add(download);
  return { workload: logged.workload(1, 1e6), unsized: logged.unsizedCount };
}
