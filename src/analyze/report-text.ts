import { formatByteSize } from "../core/byte-size.ts";
import type { AnalysisReport } from "./analysis-report.ts";
import { FILE_KINDS } from "./file-kind.ts";
import { percent, ratio, whole, type Section } from "./section.ts";
import { treeSections } from "./tree-sections.ts";

const SHOWN_GROUPS = 20;
const SHOWN_MEMBERS = 5;

/** The report as sections in the order in which people read it. */
export function reportSections(report: AnalysisReport): Section[] {
  return [...(report.begin === null && report.tree !== null ? [] : logSections(report)), ...treeSectionsOf(report)];
}

function treeSectionsOf({ tree }: AnalysisReport): Section[] {
  return tree === null ? [] : treeSections(tree);
}

function logSections(report: AnalysisReport): Section[] {
  return [
    linesSection(report),
    kindsSection(report),
    sizesSection(report),
    namesSection("Clients' tools", ["tool", report.tools]),
    flashSection(report),
    popularitySection(report),
    namesSection("Most requested files", ["file", report.popularity]),
    hoursSection(report),
    cachesSection(report),
    alwaysOnlineSection(report),
    groupsSection(report),
    syncTimesSection(report),
  ];
}

function linesSection({ lines, formats, begin, end, bytes, statuses }: AnalysisReport): Section {
  const nonzero = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${name} ${whole(count)}`)
      .join(", ") || "none";
  return {
    title: "Lines",
    columns: [],
    rows: [
      ["from", timeText(begin)],
      ["to", timeText(end)],
      ["downloads", `${whole(lines.downloads)}, ${formatByteSize(bytes)}`],
      ["other requests", whole(lines.otherRequests)],
      ["by format", nonzero(formats)],
      ["by status", nonzero(statuses)],
      [
        "skipped",
        nonzero({
          malformed: lines.malformed,
          "too long": lines.tooLong,
          "clock jumps": lines.clockJumps,
          "notes of rsyncd": lines.notes,
        }),
      ],
    ],
  };
}

function kindsSection({ kinds, bytes, lines }: AnalysisReport): Section {
  return {
    title: "Kinds",
    columns: ["kind", "requests", "share", "bytes", "share"],
    rows: FILE_KINDS.map((kind) => [
      kind,
      whole(kinds[kind].requests),
      percent(ratio(kinds[kind].requests, lines.downloads)),
      formatByteSize(kinds[kind].bytes),
      percent(ratio(kinds[kind].bytes, bytes)),
    ]),
  };
}

function sizesSection({ sizes, fileScale }: AnalysisReport): Section {
  return {
    title: "Sizes: below 1 MB",
    note: `a file's size is the largest answer seen${sampleNote(fileScale, "files")}`,
    columns: [],
    rows: [
      ["files of known size", whole(sizes.files)],
      ["share of files", percent(sizes.smallShareOfFiles)],
      ["share of their bytes", percent(sizes.smallShareOfStoredBytes)],
      ["share of downloads", percent(sizes.smallShareOfRequests)],
      ["share of bytes downloaded", percent(sizes.smallShareOfBytes)],
    ],
  };
}

function namesSection(title: string, [column, names]: readonly [string, AnalysisReport["tools"]]): Section {
  return {
    title,
    ...(names.undercount > 0 && { note: `counts may be too low by ${whole(names.undercount)}` }),
    columns: [column, "requests", "bytes"],
    rows: names.top.map(({ name, requests, bytes }) => [plain(name), whole(requests), formatByteSize(bytes)]),
  };
}

function flashSection({ flashCrowds, fileScale }: AnalysisReport): Section {
  return {
    title: "Flash crowds: downloads within 72 hours of a file's first",
    note: `new: first asked for a day after the log began, 72 hours before it ended${sampleNote(fileScale, "files")}`,
    columns: [],
    rows: [
      ["of all downloads", percent(flashCrowds.shareOfRequests)],
      ["new files", whole(flashCrowds.newFiles)],
      ["of downloads of new files", percent(flashCrowds.shareOfRequestsForNewFiles)],
    ],
  };
}

function popularitySection({ popularity, fileScale }: AnalysisReport): Section {
  return {
    title: "Popularity",
    ...(fileScale > 1 && { note: sampleNote(fileScale, "files").slice(2) }),
    columns: [],
    rows: [
      ["files", whole(popularity.files)],
      ["asked for once", whole(popularity.askedOnce)],
      ["downloads of the top 1 %", percent(popularity.shareOfTopPercent)],
      ["downloads of the top 10 %", percent(popularity.shareOfTopTenPercent)],
    ],
  };
}

function hoursSection({ hours, bursts }: AnalysisReport): Section {
  const busiest = hours.busiest;
  return {
    title: "Requests per hour, and burstiness by network",
    note: `even: the Kolmogorov–Smirnov test at 5 % does not tell a network's downloads from even ones over the day${sampleNote(bursts.scale, "networks")}`,
    columns: [],
    rows: [
      ["hours with downloads", whole(hours.hours.length)],
      [
        "busiest hour",
        busiest === null ? "none" : `${timeText(busiest.hour * 3600)}, ${whole(busiest.requests)} downloads`,
      ],
      ["busiest hour / mean", hours.peakToMean === null ? "none" : hours.peakToMean.toFixed(1)],
      ["networks with 8 downloads or more", whole(bursts.networks)],
      ["even networks", percent(bursts.evenShare)],
      ["their downloads", percent(bursts.evenShareOfRequests)],
      ["median distance D", bursts.medianDistance === null ? "none" : bursts.medianDistance.toFixed(3)],
    ],
  };
}

function cachesSection({ caches }: AnalysisReport): Section {
  return {
    title: "What caches would save, by downloads per network",
    note:
      `networks: /24, IPv6 /48, or domain; µ: their share of downloads, S: downloads per file that a cache there has, ` +
      `saved = µ(1 − 1/S)${sampleNote(caches.pairScale, "pairs of network and file")}`,
    columns: ["caches where", "networks", "µ", "S", "saved", "of bytes"],
    rows: caches.rows.map((row) => [
      `> ${row.moreThan}`,
      whole(row.networks),
      percent(row.coveredShare),
      row.meanPerCache === null ? "none" : row.meanPerCache.toFixed(2),
      percent(row.savedShare),
      percent(row.savedShareOfBytes),
    ]),
  };
}

function alwaysOnlineSection({ alwaysOnline }: AnalysisReport): Section {
  const { customers, days, estimate, atMost } = alwaysOnline;
  return {
    title: "Customers that are always online",
    note: "bound from the quietest hour, if such customers ask for metadata every 18 to 22 hours; at most: with 95 % confidence",
    columns: [],
    rows: [
      ["client addresses, ± 0.8 %", whole(customers)],
      ["whole days", whole(days.length)],
      ["estimate", estimate === null ? "none" : whole(estimate)],
      ["at most", atMost === null ? "none" : whole(atMost)],
    ],
  };
}

function groupsSection({ groups }: AnalysisReport): Section {
  return {
    title: "Files that the same customers ask for",
    note:
      `cosine over customers above ${groups.threshold}; ${whole(groups.files)} files over ${whole(groups.customers)} customers` +
      (groups.customerScale > 1 ? `, one of ${groups.customerScale} by hash` : ""),
    columns: ["group", "files", "least cosine"],
    rows: groups.groups
      .slice(0, SHOWN_GROUPS)
      .map(({ files, leastCosine }) => [
        files.slice(0, SHOWN_MEMBERS).map(plain).join(" ") + (files.length > SHOWN_MEMBERS ? " …" : ""),
        whole(files.length),
        leastCosine.toFixed(2),
      ]),
  };
}

function syncTimesSection({ syncTimes }: AnalysisReport): Section {
  const hours = (value: number | null): string => (value === null ? "none" : value.toFixed(2));
  return {
    title: "Hours per day that mirrors synchronise",
    note:
      "sessions of rsyncd, and of mirrors of PRsync with central (pauses up to 5 minutes are part of one); " +
      "mirrors: clients with sessions on half of the days or more" +
      (syncTimes.sessionsBeyond > 0 ? `; ${whole(syncTimes.sessionsBeyond)} sessions are not counted` : ""),
    columns: [],
    rows: [
      ["mirrors", whole(syncTimes.mirrors)],
      ["other clients with sessions", whole(syncTimes.otherClients)],
      ["sessions", whole(syncTimes.sessions)],
      ["days with sessions, of all mirrors", whole(syncTimes.mirrorDays)],
      ["mean hours per day", hours(syncTimes.meanHours)],
      ["least", hours(syncTimes.leastHours)],
      ["most", hours(syncTimes.mostHours)],
    ],
  };
}

function sampleNote(scale: number, of: string): string {
  return scale > 1 ? `; from one of ${scale} ${of}, by hash` : "";
}

/** Strangers wrote it: nothing a terminal would act on. */
function plain(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, (unit) => `\\x${unit.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

function timeText(seconds: number | null): string {
  return seconds === null ? "none" : `${new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
