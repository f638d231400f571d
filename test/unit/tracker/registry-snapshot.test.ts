import { expect, test } from "vitest";
import type { SavedVolunteer } from "../../../src/tracker/live-volunteer.ts";
import { encodeRegistrySnapshot, parseRegistrySnapshot } from "../../../src/tracker/registry-snapshot.ts";
import { sampleVolunteer } from "./sample-volunteer.ts";

const ID = "0123456789".repeat(4);

test("whose web server knows names alone is known to be so after a restart of central, too", () => {
  const byName = { ...sampleVolunteer(ID, "a"), isByName: true, unheardIntervals: 0 };
  const byContent = { ...byName, id: [...ID].toReversed().join(""), isByName: false };
  const read = parseRegistrySnapshot(encodeRegistrySnapshot([byName, byContent]));
  expect(read?.map(({ isByName }) => isByName)).toEqual([true, false]);
});

test("in a snapshot of before, who told when it synchronises next served by name", () => {
  const { isByName: _, ...cron } = { ...sampleVolunteer(ID, "a"), expectedMs: 3_600_000, unheardIntervals: undefined };
  const text = encodeRegistrySnapshot([cron as unknown as SavedVolunteer]);
  expect(text).not.toMatch(/isByName|unheardIntervals/);
  expect(parseRegistrySnapshot(text)?.[0]).toMatchObject({
    isByName: true,
    expectedMs: 3_600_000,
    unheardIntervals: 0,
  });
});
