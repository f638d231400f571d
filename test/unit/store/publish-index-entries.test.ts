import { expect, test } from "vitest";
import { FILE_FROM_QUERY } from "../../../src/store/publish-index-entries.ts";
import { PublishIndex } from "../../../src/store/publish-index.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

test("a file is drawn by two searches, however many there are", () => {
  using index = PublishIndex.openForWriting(temporaryDirectory());
  const plan = index.database.prepare(`EXPLAIN QUERY PLAN ${FILE_FROM_QUERY}`).all(Buffer.alloc(32));
  const steps = plan.map(({ detail }) => String(detail));
  expect(steps).toHaveLength(2);
  expect(steps.every((step) => step.startsWith("SEARCH "))).toBe(true);
});
