import { expect, test } from "vitest";
import { accessLog } from "../../../bench/support/access-log.ts";
import { Analysis } from "../../../src/analyze/analysis.ts";
import type { AnalysisReport } from "../../../src/analyze/analysis-report.ts";
import { LogBlock } from "../../../src/analyze/log-block.ts";
import { LogBlocks } from "../../../src/analyze/log-blocks.ts";
import { parseBlock } from "../../../src/analyze/parse-block.ts";
import { reportHtml } from "../../../src/analyze/report-html.ts";
import { reportSections } from "../../../src/analyze/report-text.ts";
import { sectionLines } from "../../../src/analyze/section.ts";

// Twelve days of a small mirror: hours since the beginning, client, target, status, bytes, tool.
const GOLDEN = [
  line([0, "192.0.2.1", "/images/big.iso", 200, 7_100_000, "curl/8.5.0"]),
  line([1, "192.0.2.2", "/images/big.iso", 206, 1000, "curl/7.0"]),
  line([1, "198.51.100.1", "/dists/stable/InRelease", 200, 5000, "Debian APT-HTTP/1.3 (2.4)"]),
  line([2, "198.51.100.1", "/dists/stable/InRelease", 304, 0, "Debian APT-HTTP/1.3 (2.4)"]),
  line([30, "192.0.2.1", "/pool/a%2Bb_1_amd64.deb", 200, 400_000, "Debian APT-HTTP/1.3 (2.6)"]),
  line([31, "192.0.2.1", "//pool/a+b_1_amd64.deb?retry", 200, 400_000, "Wget/1.21"]),
  line([32, "2001:db8::1", "/pool/a+b_1_amd64.deb", 200, 400_000, "Wget/1.21"]),
  line([130, "2001:db8:0:1::9", "/pool/a+b_1_amd64.deb", 302, 154, "Wget/1.21"]),
  line([131, "192.0.2.9", "/pool/a.orig.tar.xz", 200, 1_599_000, "-"]),
  line([132, "192.0.2.9", "/nothing", 404, 153, "-"]),
  line([132, "192.0.2.9", "/.prsync/metadata/1.json", 200, 900, "prsync/0.1.0"]),
  line([133, "192.0.2.9", "/pool/", 200, 77, "Mozilla/5.0 (X11; rv:126.0) Gecko/20100101 Firefox/126.0"]),
  '192.0.2.9 - - [10/May/2026:00:00:00 +0000] "HEAD /pool/ HTTP/1.1" 200 - "-" "-"',
  "2026/05/10 00:00:00 [1] connect from localhost (127.0.0.1)",
  "2026/05/10 00:00:01 [1] send localhost [192.0.2.77] pool () a+b_1_amd64.deb 400000",
  "rubbish",
  line([500_000, "192.0.2.9", "/from/the/future", 200, 1, "-"]),
  `192.0.2.9 - - [${"9".repeat(1_000_000)}`,
  line([280, "192.0.2.9", "/pool/a+b_1_amd64.deb", 200, 400_000, "-"]),
].join("\n");

test("each figure of a small log", async () => {
  const report = await analyzed(GOLDEN);
  expect(report.lines).toEqual({
    downloads: 11,
    otherRequests: 4,
    notes: 1,
    malformed: 1,
    tooLong: 1,
    clockJumps: 1,
  });
  expect(report.formats).toEqual({ combined: 14, common: 0, rsyncd: 1 });
  expect(report.statuses).toEqual({ 200: 10, 206: 1, 302: 1, 304: 1, 404: 1 });
  expect(report.kinds).toEqual({
    image: { requests: 2, bytes: 7_101_000 },
    package: { requests: 6, bytes: 2_000_000 },
    source: { requests: 1, bytes: 1_599_000 },
    metadata: { requests: 1, bytes: 5000 },
    other: { requests: 1, bytes: 77 },
  });
  expect(report.bytes).toBe(10_705_077);
  expect(report.sizes).toMatchObject({
    files: 5,
    smallShareOfFiles: 3 / 5,
    smallShareOfRequests: 8 / 11,
    smallShareOfBytes: 2_005_077 / 10_705_077,
    smallShareOfStoredBytes: 405_077 / 9_104_077,
  });
  expect(report.tools.top.map(({ name, requests }) => [name, requests])).toEqual([
    ["Wget", 3],
    ["(none)", 2],
    ["Debian APT-HTTP", 2],
    ["curl", 2],
    ["Firefox", 1],
    ["rsync", 1],
  ]);
});

test("flash crowds, popularity and hours of the same log", async () => {
  const { flashCrowds, popularity, hours, begin, end } = await analyzed(GOLDEN);
  // The package: three at once, then 100, 114 and 250 hours after its first. All else comes within an hour of its first.
  expect(flashCrowds.shareOfRequests).toBe(8 / 11);
  expect(flashCrowds.newFiles).toBe(3);
  expect(flashCrowds.shareOfRequestsForNewFiles).toBe(5 / 8);
  expect(popularity).toMatchObject({ files: 5, askedOnce: 3, shareOfTopPercent: 6 / 11, undercount: 0 });
  expect(popularity.top[0]).toEqual({ name: "/pool/a%2Bb_1_amd64.deb", requests: 6, bytes: 2_000_000 });
  expect(hours.hours.map(({ requests }) => requests)).toEqual([1, 2, 1, 1, 1, 1, 1, 1, 1, 1]);
  expect([begin, end]).toEqual([at(0), at(280)]);
});

test("caches of the same log: networks are /24 and /48, a file is fetched once into each", async () => {
  const { caches } = await analyzed(GOLDEN);
  // 192.0.2 asks 8 times for 4 files, 2001:db8:0 twice for one, 198.51.100 once.
  expect(caches.rows.map(({ moreThan, networks }) => [moreThan, networks]).slice(0, 4)).toEqual([
    [0, 3],
    [2, 1],
    [5, 1],
    [10, 0],
  ]);
  const [everywhere, above2, , none] = caches.rows;
  expect([everywhere!.coveredShare, everywhere!.meanPerCache]).toEqual([1, 11 / 6]);
  expect(everywhere!.savedShare).toBeCloseTo(5 / 11, 12);
  expect([above2!.coveredShare, above2!.meanPerCache]).toEqual([8 / 11, 2]);
  expect(above2!.savedShare).toBeCloseTo(4 / 11, 12);
  expect(none).toMatchObject({ coveredShare: 0, meanPerCache: null, savedShare: 0 });
});

test("a file is one however its name is escaped, a client one however its address is written", async () => {
  const names = ["/pool/%C3%A4%22.deb", String.raw`/pool/\xC3\xA4\x22.deb`, "/pool/\u00c3\u00a4%22.deb"];
  const clients = ["192.0.2.1", "::ffff:192.0.2.1", "::FFFF:192.0.2.1"];
  const lines = names.map((name, at) => line([at, clients[at]!, name, 200, 500, "-"]));
  const others = ["198.51.100.1", "203.0.113.1"].map((client) => line([3, `::ffff:${client}`, "/a", 200, 1, "-"]));
  const report = await analyzed([...lines, ...others].join("\n"));
  expect(report.sizes.files).toBe(2);
  expect(report.popularity.top[0]).toMatchObject({ requests: 3 });
  expect(report.caches.networks).toBe(3);
});

test("a generated log is counted as a plain reading of it counts", async () => {
  const text = [...accessLog({ lines: 5000, seed: 7, files: 800, clients: 300, days: 6 })].join("");
  const rows = text
    .trimEnd()
    .split("\n")
    .map((row) => /^(\S+) .*"GET (\S+) HTTP\/1.1" (\d+) (\d+) /.exec(row)!)
    .filter(([, , , status]) => status === "200" || status === "206");
  const byPath = Map.groupBy(rows, ([, , path]) => path!);
  const report = await analyzed(text);
  expect(report.lines).toMatchObject({ downloads: rows.length, malformed: 0 });
  expect(report.bytes).toBe(rows.reduce((sum, [, , , , bytes]) => sum + Number(bytes), 0));
  expect(report.popularity.files).toBe(byPath.size);
  expect(report.popularity.top[0]!.requests).toBe(Math.max(...[...byPath.values()].map(({ length }) => length)));
  const clients = new Set(rows.map(([, client]) => client));
  expect(Math.abs(report.alwaysOnline.customers / clients.size - 1)).toBeLessThan(0.025);
});

test("files that the same customers take are a group, and who asks for metadata every hour is always online", async () => {
  const rows = Array.from({ length: 3 * 24 * 40 }, (_, n) => {
    const [hour, client] = [Math.floor(n / 40), (7 * n) % 800];
    const target = ["/dists/a/InRelease", `/pool/${client < 400 ? "game" : "tool"}-${n % 3}.deb`][
      Math.floor(n / 5) % 2
    ]!;
    return line([hour, `10.0.${client >> 8}.${client & 255}`, target, 200, 10, "-"]);
  });
  const { groups, alwaysOnline } = await analyzed(rows.join("\n"));
  expect(groups.groups.length).toBeGreaterThan(0);
  for (const { files } of groups.groups) expect(new Set(files.map((file) => file.slice(0, 10))).size).toBe(1);
  // 20 customers an hour, each with probability 1/20 if it asks every 18 to 22 hours.
  expect(alwaysOnline.days.map(({ day }) => day - at(0) / 86_400)).toEqual([0, 1, 2]);
  expect(Math.abs(alwaysOnline.estimate! / 400 - 1)).toBeLessThan(0.1);
  expect(alwaysOnline.atMost).toBeGreaterThan(alwaysOnline.estimate!);
});

test("hours per day that mirrors synchronise: sessions that overlap count once, midnight parts them", async () => {
  const note = (hour: number, process: number, text: string): string => {
    const stamp = new Date(at(hour) * 1000).toISOString().slice(0, 19).replaceAll("-", "/").replace("T", " ");
    return `${stamp} [${process}] ${text}`;
  };
  const session = (process: number, address: string, [from, to]: readonly [number, number]): string[] => [
    note(from, process, `connect from mirror (${address})`),
    note(from, process, `rsync on pool/ from mirror (${address})`),
    note((from + to) / 2, process, `send mirror [${address}] pool () a.deb 10`),
    note(to, process, "sent 247 bytes  received 75 bytes  total size 8"),
  ];
  const prsync = [1, 1.05, 1.1, 2, 24, 24.05].map((hour) =>
    line([hour, "192.0.2.9", "/.prsync/objects/ab", 200, 9, "prsync/0.1.0"]),
  );
  const announces = [3, 3.05, 3.1].map((hour) =>
    line([hour, "192.0.2.9", "/.prsync/announce?x", 200, 9, "prsync/0.1.0"]),
  );
  const lines = [
    ...session(1, "192.0.2.1", [1, 4]),
    ...session(2, "192.0.2.1", [2, 3]),
    ...session(3, "2001:db8::2", [23, 26]),
    ...session(1, "192.0.2.1", [30, 31]),
    ...session(4, "192.0.2.3", [70, 71]),
    ...prsync,
    ...announces,
  ];
  const { syncTimes, lines: counts } = await analyzed(lines.join("\n"));
  expect(counts).toMatchObject({ downloads: 5, notes: 15, otherRequests: 9 });
  // 192.0.2.1: 3 h and 1 h; 2001:db8::2: 1 h and 2 h; 192.0.2.9: 0.1 h and 0.05 h; 192.0.2.3 on one day of three.
  expect(syncTimes).toMatchObject({ mirrors: 3, otherClients: 1, sessions: 7, mirrorDays: 6, mostHours: 3 });
  expect(syncTimes.meanHours).toBeCloseTo((3 + 1 + 1 + 2 + 0.1 + 0.05) / 6, 6);
  expect(syncTimes.leastHours).toBeCloseTo(0.05, 6);
  expect(syncTimes.days.map(({ mostHours }) => mostHours)).toEqual([3, 2]);
});

test("a log without a line is a report without figures, in JSON too", async () => {
  const report = await analyzed("");
  expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  expect(report).toMatchObject({ begin: null, bytes: 0, sizes: { smallShareOfFiles: null } });
  expect(reportSections(report).flatMap(sectionLines).join("\n")).not.toMatch(/NaN|Infinity|undefined|null/);
});

test("the HTML report holds every table and the plots, loads nothing, and escapes what strangers write", async () => {
  const log = `${GOLDEN}\n${line([281, "192.0.2.9", "/<script>alert(1)</script>.iso", 200, 1, "<b>x</b>"])}`;
  const report = await analyzed(log);
  const html = reportHtml(report);
  for (const { title } of reportSections(report)) expect(html).toContain(`<h2>${title.replaceAll("'", "&#39;")}</h2>`);
  for (const title of ["Over time", "Over the day", "Sizes", "Flash crowds", "Popularity", "Caches in networks"])
    expect(html).toContain(`font-weight="bold">${title}`);
  expect(html).not.toMatch(/<script|<b>|<img|<link|href=|src=|NaN|Infinity|undefined/);
  expect(reportHtml(await analyzed(""))).not.toMatch(/<svg|NaN|Infinity|undefined/);
});

test("what strangers write in a log does not reach the terminal", async () => {
  const hostile = `192.0.2.1 - - [10/May/2026:00:00:00 +0000] "GET /\u001b[2J.iso HTTP/1.1" 200 1 "-" "\u0007evil/1"`;
  const lines = reportSections(await analyzed(hostile)).flatMap(sectionLines);
  expect(lines.join("\n")).toContain("/\\x1b[2J.iso");
  expect(lines.filter((text) => /[^\x20-\x7eµ−±–]/.test(text))).toEqual([]);
});

type Row = readonly [hour: number, client: string, target: string, status: number, bytes: number, agent: string];

function at(hour: number): number {
  return Date.UTC(2026, 4, 4) / 1000 + hour * 3600;
}

function line([hour, client, target, status, bytes, agent]: Row): string {
  const [, day, month, year, time] = /, (\d\d) (\w\w\w) (\d+) (.*) GMT/.exec(new Date(at(hour) * 1000).toUTCString())!;
  return `${client} - - [${day}/${month}/${year}:${time} +0000] "GET ${target} HTTP/1.1" ${status} ${bytes} "-" "${agent}"`;
}

async function analyzed(log: string): Promise<AnalysisReport> {
  const analysis = new Analysis();
  const read = (block: LogBlock): void => {
    parseBlock(block);
    analysis.take(block);
  };
  const blocks = new LogBlocks({ next: () => new LogBlock(LogBlock.memory()), read });
  await blocks.push(Buffer.from(log, "latin1"));
  blocks.endLog();
  analysis.endLog();
  return analysis.report();
}
