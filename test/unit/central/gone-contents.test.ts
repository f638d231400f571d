import { expect, test } from "vitest";
import { GoneContents } from "../../../src/central/gone-contents.ts";
import { EMPTY_CONTENT } from "../../../src/core/content-id.ts";
import { ManualClock } from "../../support/manual-clock.ts";

test("a gone content is news once a minute, however often it is asked for", () => {
  const clock = new ManualClock();
  const gone = new GoneContents(clock);
  const told: number[] = [];
  for (let second = 0; second < 180; second++) {
    if (gone.isNews(EMPTY_CONTENT)) told.push(second);
    clock.advance(1_000);
  }
  expect(told).toEqual([0, 61, 122]);
});
