import { expect, test } from "vitest";
import { nearestName } from "../../../src/cli/nearest-name.ts";

const NAMES = ["bwlimit", "max-delete", "max-size", "delete", "peer-port", "public-url"];

test.each([
  ["bwlimt", "bwlimit"],
  ["bwilmit", "bwlimit"],
  ["max_delete", "max-delete"],
  ["Delete", "delete"],
  ["max-sized", "max-size"],
  ["publicurl", "public-url"],
])("%s was meant to be %s", (given, meant) => {
  expect(nearestName(given, NAMES)).toBe(meant);
});

test.each(["", "x", "hostname", "rate", "sparse-files"])("%j is near to none", (given) => {
  expect(nearestName(given, NAMES)).toBeUndefined();
});
