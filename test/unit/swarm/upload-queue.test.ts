import { expect, test } from "vitest";
import { MAX_QUEUED_REQUESTS, UploadQueue } from "../../../src/swarm/upload-queue.ts";

const KIB16 = 16_384;
const always = (): boolean => true;

function block(piece: number, index: number): { piece: number; offset: number; lengthBytes: number } {
  return { piece, offset: index * KIB16, lengthBytes: KIB16 };
}

test("adjacent requests of a piece become one read, in order", () => {
  const queue = new UploadQueue();
  for (const request of [block(1, 0), block(1, 1), block(1, 2), block(1, 3), block(2, 0)]) queue.add(7, request);
  const read = queue.nextRead(always);
  expect(read).toMatchObject({ key: 7, piece: 1, offset: 0, lengthBytes: 4 * KIB16 });
  expect([...read!.requests]).toEqual([block(1, 0), block(1, 1), block(1, 2), block(1, 3)]);
  expect(queue.nextRead(always)).toMatchObject({ piece: 2, lengthBytes: KIB16 });
});

test("peers take turns and none has more under way than two whole reads", () => {
  const queue = new UploadQueue();
  for (const key of [1, 2]) {
    for (let piece = 0; piece < 5; piece++) for (let index = 0; index < 8; index++) queue.add(key, block(piece, index));
  }
  const reads = [0, 1, 2, 3].map(() => queue.nextRead(always));
  expect(reads.map((read) => read?.key)).toEqual([1, 2, 1, 2]);
  expect(queue.hasNext(always)).toBe(false);
  expect(queue.nextRead(always)).toBeUndefined();
  queue.finished(reads[1]!);
  expect(queue.hasNext(always)).toBe(true);
  expect(queue.nextRead(always)?.key).toBe(2);
});

test("of small contents a peer gets many reads at a time, up to a bound", () => {
  const queue = new UploadQueue();
  for (let piece = 0; piece < 50; piece++) queue.add(1, { piece, offset: 0, lengthBytes: 100 });
  let reads = 0;
  while (queue.hasNext(always)) {
    expect(queue.nextRead(always)).toBeDefined();
    reads++;
  }
  expect(reads).toBe(16);
  expect(queue.nextRead(always)).toBeUndefined();
});

test("a peer whose socket is full does not stop the others", () => {
  const queue = new UploadQueue();
  queue.add(1, block(0, 0));
  queue.add(2, block(0, 0));
  expect(queue.nextRead((key) => key === 2)?.key).toBe(2);
  expect(queue.nextRead((key) => key === 2)).toBeUndefined();
});

test("the queue of a peer is bounded and has no request twice", () => {
  const queue = new UploadQueue();
  for (let index = 0; index < MAX_QUEUED_REQUESTS; index++) expect(queue.add(1, block(index, 0))).toBe("queued");
  expect(queue.add(1, block(9_999, 0))).toBe("full");
  expect(queue.add(2, block(0, 0))).toBe("queued");
  expect(queue.add(2, block(0, 0))).toBe("duplicate");
});

test("a cancelled request is not answered, waiting or being read", () => {
  const queue = new UploadQueue();
  for (const request of [block(1, 0), block(1, 1), block(3, 0)]) queue.add(1, request);
  const read = queue.nextRead(always)!;
  expect(queue.cancel(1, block(1, 0))).toBe(true);
  expect([...read.requests]).toEqual([block(1, 1)]);
  expect(queue.cancel(1, block(3, 0))).toBe(true);
  expect(queue.cancel(1, block(3, 0))).toBe(false);
  queue.finished(read);
  expect(queue.nextRead(always)).toBeUndefined();
});

test("dropping a peer gives back all it waits for", () => {
  const queue = new UploadQueue();
  for (const request of [block(1, 0), block(3, 0)]) queue.add(1, request);
  const read = queue.nextRead(always)!;
  expect(queue.drop(1)).toEqual([block(3, 0), block(1, 0)]);
  expect(read.requests.size).toBe(0);
  expect(queue.nextRead(always)).toBeUndefined();
});
