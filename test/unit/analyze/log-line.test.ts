import fc from "fast-check";
import { expect, test } from "vitest";
import { emptyLogLine } from "../../../src/analyze/log-line.ts";
import { parseLogLine } from "../../../src/analyze/parse-log-line.ts";

test.each([
  // nginx' combined format.
  {
    text: '192.0.2.7 - - [10/Oct/2000:13:55:36 -0700] "GET /pool/a%2Bb_1.deb?x=1 HTTP/1.1" 200 2326 "-" "Debian APT-HTTP/1.3 (2.4)"',
    read: { format: "combined", client: "192.0.2.7", path: "/pool/a%2Bb_1.deb", agent: "Debian APT-HTTP/1.3 (2.4)" },
    numbers: { timeSeconds: Date.UTC(2000, 9, 10, 20, 55, 36) / 1000, status: 200, bytes: 2326 },
  },
  // Apache's common format, from its documentation; "-" is no byte.
  {
    text: '127.0.0.1 - frank smith [29/Feb/2024:00:00:00 +0530] "GET /apache_pb.gif HTTP/1.0" 304 -',
    read: { format: "common", client: "127.0.0.1", path: "/apache_pb.gif", agent: "" },
    numbers: { timeSeconds: Date.UTC(2024, 1, 28, 18, 30) / 1000, status: 304, bytes: 0 },
  },
  // Apache's vhost_combined with escaped quotes, an absolute target and further fields.
  {
    text: 'deb.example.org:443 2001:db8::1 - - [01/Jan/1990:00:00:01 +0000] "GET http://deb.example.org//a b.iso HTTP/1.1" 206 5 "-" "a \\"b\\" c" 0.01 "x"',
    read: { format: "combined", client: "2001:db8::1", path: "//a b.iso", agent: 'a \\"b\\" c' },
    numbers: { timeSeconds: Date.UTC(1990, 0, 1, 0, 0, 1) / 1000, status: 206, bytes: 5 },
  },
  // nginx that listens on [::] for both families, and a name with a byte that is no ASCII.
  {
    text: '::FFFF:192.0.2.7 - - [10/Oct/2000:13:55:36 -0700] "GET /\\xC3\\xA4 HTTP/1.1" 200 2326',
    read: { format: "common", client: "192.0.2.7", path: "/\\xC3\\xA4", agent: "" },
    numbers: { timeSeconds: Date.UTC(2000, 9, 10, 20, 55, 36) / 1000, status: 200, bytes: 2326 },
  },
  // What is no request.
  {
    text: '192.0.2.7 - - [31/Dec/2026:23:59:60 +0000] "\\x16\\x03\\x01" 400 150 "-" "-"',
    read: { format: "combined", client: "192.0.2.7", path: "", agent: "-" },
    numbers: { timeSeconds: Date.UTC(2026, 11, 31, 23, 59, 59) / 1000, status: 400, bytes: 150 },
  },
  // Written by rsync 3.5.0 for a name with a space.
  {
    text: "2026/11/22 05:35:26 [20935] send localhost [127.0.0.1] deb () sub/a b.txt 6",
    read: { format: "rsyncd", client: "127.0.0.1", path: "sub/a b.txt", agent: "" },
    numbers: { timeSeconds: Date.UTC(2026, 10, 22, 5, 35, 26) / 1000, status: 0, bytes: 6 },
  },
])("$text", ({ text, read, numbers }) => {
  const { outcome, fields } = parse(text);
  expect(outcome).toBe("request");
  expect(fields).toMatchObject({ ...read, ...numbers });
});

test.each([
  "2026/11/22 05:35:26 [20935] building file list",
  "2026/11/22 05:35:26 [20935] connect from localhost (127.0.0.1)",
  "2026/11/22 05:35:26 [20935] recv localhost [127.0.0.1] deb () sub/a b.txt 6",
  "2026/11/22 05:35:26 [20935] sent 247 bytes  received 75 bytes  total size 8",
])("a note of rsyncd: %s", (text) => {
  expect(parse(text).outcome).toBe("note");
});

test.each([
  "",
  "what is this",
  '192.0.2.7 - - [10/Okt/2000:13:55:36 -0700] "GET / HTTP/1.1" 200 1',
  '192.0.2.7 - - [10/Oct/2000:24:55:36 -0700] "GET / HTTP/1.1" 200 1',
  '192.0.2.7 - - [10/Oct/1989:13:55:36 -0700] "GET / HTTP/1.1" 200 1',
  '192.0.2.7 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1 200 1',
  '192.0.2.7 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 2x0 1',
  '192.0.2.7 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 200 -1',
  '192.0.2.7 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1"',
  "2026/13/22 05:35:26 [20935] send localhost [127.0.0.1] deb () a 6",
  "2026/11/22 05:35:26 [20935] send localhost [127.0.0.1] deb () a",
  // "%o [%a] %m %f %b": the parentheses are the file's.
  "2026/11/22 05:35:26 [20935] send [127.0.0.1] deb a (1)/b.iso 6",
])("malformed: %s", (text) => {
  expect(parse(text).outcome).toBe("malformed");
});

test("any bytes, and a good line with any byte changed or cut anywhere, are read or refused, never thrown at", () => {
  const good = Buffer.from('192.0.2.7 - - [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.1" 200 2326 "-" "b"');
  const sent = Buffer.from("2026/11/22 05:35:26 [20935] send localhost [127.0.0.1] deb () sub/a b.txt 6");
  const broken = fc
    .tuple(fc.constantFrom(good, sent), fc.nat(90), fc.nat(255), fc.nat(90))
    .map(([line, at, byte, length]) => {
      const copy = Buffer.from(line);
      copy[at % copy.length] = byte;
      return copy.subarray(0, length);
    });
  const places = ["client", "path", "agent"] as const;
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), broken), (bytes) => {
      const line = emptyLogLine();
      const outcome = parseLogLine(bytes, [0, bytes.length], line);
      if (outcome !== "request") return;
      for (const place of places) {
        expect(line[`${place}From`]).toBeLessThanOrEqual(line[`${place}To`]);
        expect(line[`${place}To`]).toBeLessThanOrEqual(bytes.length);
      }
      expect(Number.isSafeInteger(line.timeSeconds) && line.timeSeconds >= 0 && line.bytes >= 0).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

test("what a server writes is read back", () => {
  const word = fc.stringMatching(/^[!-~]+$/).filter((text) => !/["\\?:[\]]/.test(text));
  const request = fc.record({
    client: fc.oneof(fc.ipV4(), fc.ipV6()),
    seconds: fc.integer({ min: 631_152_000, max: 4_000_000_000 }),
    path: word.map((text) => `/${text}`),
    status: fc.integer({ min: 100, max: 599 }),
    bytes: fc.integer({ min: 0, max: 10 ** 14 }),
    agent: fc.option(word, { nil: undefined }),
  });
  fc.assert(
    fc.property(request, ({ client, seconds, path, status, bytes, agent }) => {
      const [, day, month, year, time] = /, (\d\d) (\w\w\w) (\d+) (.*) GMT/.exec(
        new Date(seconds * 1000).toUTCString(),
      )!;
      const tail = agent === undefined ? "" : ` "-" "${agent}"`;
      const text = `${client} - - [${day}/${month}/${year}:${time} +0000] "GET ${path} HTTP/1.1" ${status} ${bytes}${tail}`;
      const format = agent === undefined ? "common" : "combined";
      expect(parse(text).fields).toMatchObject({
        format,
        client,
        timeSeconds: seconds,
        path,
        status,
        bytes,
        agent: agent ?? "",
        isRead: true,
      });
    }),
  );
});

function parse(text: string): { outcome: string; fields: Record<string, unknown> } {
  const bytes = Buffer.from(`before\n${text}\nafter`, "latin1");
  const [from, to] = [7, 7 + text.length];
  const line = emptyLogLine();
  const outcome = parseLogLine(bytes, [from, to], line);
  const cut = (at: number, end: number): string => bytes.toString("latin1", at, end);
  return {
    outcome,
    fields: {
      ...line,
      client: cut(line.clientFrom, line.clientTo),
      path: cut(line.pathFrom, line.pathTo),
      agent: cut(line.agentFrom, line.agentTo),
    },
  };
}
