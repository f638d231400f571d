import { expect, test } from "vitest";
import { AskedRequests } from "../../../src/swarm/wire/asked-requests.ts";

const FIRST = { piece: 3, offset: 16_384, lengthBytes: 16_384 };

function askedOnce(): AskedRequests {
  const asked = new AskedRequests(65_536);
  expect(asked.add(FIRST)).toBe(true);
  return asked;
}

function takeBlock(asked: AskedRequests): string {
  return asked.takeBlock(FIRST.piece, FIRST.offset, FIRST.lengthBytes);
}

test("each request is answered once", () => {
  const asked = askedOnce();
  expect(asked.add(FIRST)).toBe(false);
  expect([takeBlock(asked), takeBlock(asked)]).toEqual(["open", "unasked"]);
});

test("an answer of another length belongs to nothing", () => {
  const asked = askedOnce();
  expect(asked.takeBlock(3, 16_384, 16_383)).toBe("unasked");
  expect(asked.takeReject({ ...FIRST, lengthBytes: 1 })).toBe("unasked");
  expect(takeBlock(asked)).toBe("open");
});

test("the reject of a cancelled request leaves the same request, made again, open", () => {
  const asked = askedOnce();
  asked.cancel(FIRST);
  asked.add(FIRST);
  expect(asked.takeReject(FIRST)).toBe("cancelled");
  expect(takeBlock(asked)).toBe("open");
});

test("cancelled and made again twice: two rejects, then the answer", () => {
  const asked = askedOnce();
  for (let round = 0; round < 2; round++) {
    expect(asked.cancel(FIRST)).toBe(true);
    expect(asked.add(FIRST)).toBe(true);
  }
  expect([1, 2, 3].map(() => asked.takeReject(FIRST))).toEqual(["cancelled", "cancelled", "open"]);
  expect(asked.takeReject(FIRST)).toBe("unasked");
});

test("a block that had left before the cancel serves the request made again; the second copy is forgiven", () => {
  const asked = askedOnce();
  asked.cancel(FIRST);
  asked.add(FIRST);
  expect([1, 2, 3].map(() => takeBlock(asked))).toEqual(["open", "cancelled", "unasked"]);
});

test("what a choke ended may still come", () => {
  const asked = askedOnce();
  expect(asked.choked()).toEqual([FIRST]);
  expect([takeBlock(asked), takeBlock(asked)]).toEqual(["cancelled", "unasked"]);
});
