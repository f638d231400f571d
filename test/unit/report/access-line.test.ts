import fc from "fast-check";
import { expect, test } from "vitest";
import { accessLine, accessStamp, type AnsweredRequest } from "../../../src/report/access-line.ts";

const REQUEST: AnsweredRequest = {
  address: "192.0.2.7",
  method: "GET",
  target: "/pool/a.deb?sha256=00",
  httpVersion: "1.1",
  status: 200,
  bodyBytes: 2326,
  referer: undefined,
  userAgent: "Debian APT-HTTP/1.3 (2.6.1)",
};
const STAMP = accessStamp(Date.UTC(2026, 10, 22, 5, 3, 9, 999));

test("a line is what Apache and nginx write by the name combined", () => {
  expect(accessLine(REQUEST, STAMP)).toBe(
    '192.0.2.7 - - [22/Nov/2026:05:03:09 +0000] "GET /pool/a.deb?sha256=00 HTTP/1.1" 200 2326 "-" "Debian APT-HTTP/1.3 (2.6.1)"',
  );
});

test("quotes, backslashes, control characters and bytes beyond ASCII are escaped as nginx does", () => {
  const line = accessLine({ ...REQUEST, referer: 'a"b\\c', userAgent: "\t\x1b[2Jé\x7f" }, STAMP);
  expect(line).toContain('"a\\x22b\\x5Cc" "\\x09\\x1B[2J\\xE9\\x7F"');
});

test("whatever a request holds, its line is one line of printable ASCII whose fields can be told apart", () => {
  const bytes = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) });
  fc.assert(
    fc.property(bytes, bytes, bytes, (target, referer, userAgent) => {
      const line = accessLine({ ...REQUEST, target, referer, userAgent }, STAMP);
      expect(line).toMatch(/^192\.0\.2\.7 - - \[[^\]]+\] "GET [ !#-~]* HTTP\/1\.1" 200 2326 "[ !#-~]+" "[ !#-~]+"$/);
    }),
  );
});
