import { expect, test } from "vitest";
import { parseContentId } from "../../../src/core/content-id.ts";
import { planFileAnswer, type FileAnswer } from "../../../src/delivery/file-answer.ts";
import { formatHttpDate, parseHttpDate } from "../../../src/delivery/preconditions.ts";

const content = parseContentId("2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae");
const served = { content, lengthBytes: 100, mtimeNs: 784_111_777_900_000_000n, mediaType: "text/plain" };
const etag = `"${content}"`;
const date = "Sun, 06 Nov 1994 08:49:37 GMT";
const laterDate = "Sun, 06 Nov 1994 08:49:38 GMT";
const earlierDate = "Sun, 06 Nov 1994 08:49:36 GMT";

const answer = (headers: Record<string, string>, method = "GET"): FileAnswer =>
  planFileAnswer({ method, headers }, served, "BOUNDARY");

test("the date of RFC 9110 goes both ways, whole seconds", () => {
  expect(formatHttpDate(784_111_777)).toBe(date);
  expect(parseHttpDate(date)).toBe(784_111_777);
  expect(parseHttpDate("Sunday, 06-Nov-94 08:49:37 GMT")).toBeUndefined();
  expect(parseHttpDate("1994-11-06T08:49:37Z")).toBeUndefined();
});

test("a whole content carries its digest, length and validators", () => {
  expect(answer({})).toEqual({
    status: 200,
    headers: {
      "Accept-Ranges": "bytes",
      ETag: etag,
      "Last-Modified": date,
      "Cache-Control": "no-cache",
      "Repr-Digest": "sha-256=:LCa0a2j/xo/5m0U8HTBBNBNCLXBkg7+g+YpeiGJm564=:",
      "X-Content-Type-Options": "nosniff",
      "Content-Type": "text/plain",
      "Content-Length": "100",
    },
    segments: [{ kind: "range", range: { start: 0, end: 100 } }],
  });
});

test("HEAD says what GET would send and sends nothing", () => {
  expect(answer({ range: "bytes=0-0" }, "HEAD")).toMatchObject({ status: 200, segments: [] });
  expect(answer({}, "HEAD").headers).toEqual(answer({}).headers);
});

test("one range is 206 with its place in the content", () => {
  const partial = answer({ range: "bytes=10-19" });
  expect(partial.status).toBe(206);
  expect(partial.headers).toMatchObject({ "Content-Range": "bytes 10-19/100", "Content-Length": "10" });
  expect(partial.segments).toEqual([{ kind: "range", range: { start: 10, end: 20 } }]);
});

test("several ranges are a multipart body of exactly the stated length", () => {
  const partial = answer({ range: "bytes=0-1,98-99" });
  const body = partial.segments
    .map((segment) => (segment.kind === "text" ? segment.text : "x".repeat(segment.range.end - segment.range.start)))
    .join("");
  expect(partial.headers["Content-Type"]).toBe("multipart/byteranges; boundary=BOUNDARY");
  expect(partial.headers["Content-Length"]).toBe(String(body.length));
  expect(body).toBe(
    "--BOUNDARY\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/100\r\n\r\nxx" +
      "\r\n--BOUNDARY\r\nContent-Type: text/plain\r\nContent-Range: bytes 98-99/100\r\n\r\nxx\r\n--BOUNDARY--\r\n",
  );
});

test("a range beyond the end is 416 and tells the length", () => {
  expect(answer({ range: "bytes=100-" })).toMatchObject({
    status: 416,
    headers: { "Content-Range": "bytes */100", "Content-Length": "0" },
    segments: [],
  });
});

test.each([
  [{ "if-none-match": etag }, 304],
  [{ "if-none-match": `"x", W/${etag}` }, 304],
  [{ "if-none-match": "*" }, 304],
  [{ "if-none-match": '"x"' }, 200],
  [{ "if-none-match": "x".repeat(8000) }, 200],
  [{ "if-none-match": '"x"', "if-modified-since": laterDate }, 200],
  [{ "if-modified-since": date }, 304],
  [{ "if-modified-since": earlierDate }, 200],
  [{ "if-modified-since": "yesterday" }, 200],
  [{ "if-match": etag }, 200],
  [{ "if-match": `W/${etag}` }, 412],
  [{ "if-match": '"x"' }, 412],
  [{ "if-match": "*" }, 200],
  [{ "if-unmodified-since": earlierDate }, 412],
  [{ "if-unmodified-since": date }, 200],
  [{ "if-match": etag, "if-unmodified-since": earlierDate }, 200],
  [{ range: "bytes=0-0", "if-range": etag }, 206],
  [{ range: "bytes=0-0", "if-range": `W/${etag}` }, 200],
  [{ range: "bytes=0-0", "if-range": '"x"' }, 200],
  [{ range: "bytes=0-0", "if-range": "x".repeat(8000) }, 200],
  [{ range: "bytes=0-0", "if-range": date }, 206],
  [{ range: "bytes=0-0", "if-range": laterDate }, 200],
  [{ range: "bytes=0-0", "if-none-match": etag }, 304],
])("headers %j are answered %i", (headers, status) => {
  expect(answer(headers).status).toBe(status);
});

test("without a date none is told, and conditions by date count for nothing", () => {
  const undated = (headers: Record<string, string>): FileAnswer =>
    planFileAnswer({ method: "GET", headers }, { ...served, mtimeNs: undefined }, "BOUNDARY");
  expect(undated({}).headers).not.toHaveProperty("Last-Modified");
  expect(undated({ "if-modified-since": laterDate }).status).toBe(200);
  expect(undated({ "if-unmodified-since": earlierDate }).status).toBe(200);
  expect(undated({ range: "bytes=10-", "if-range": date }).status).toBe(200);
  expect(undated({ range: "bytes=10-", "if-range": "no date" }).status).toBe(200);
  expect(undated({ range: "bytes=10-", "if-range": etag }).status).toBe(206);
  expect(undated({ "if-none-match": etag })).toMatchObject({ status: 304, headers: { ETag: etag } });
});
