// A release day in small with real programs, beside what the simulation of bench/release-day makes of the same lines, files and requests: `npm run
// bench -- release-day-real`, or `node bench/release-day-real.ts --mbit 20` after `npm run build`. Central (`prsync serve`), eight mirrors (`prsync daemon`, half of
// them with a filter) and customers on hosts of their own (network namespaces, `tc tbf`; a mirror's line up is a quarter of its line down, each customer has
// one of --customer-mbit): a quiet time, then a release of about 30 MB, and customers who come for it while mirrors synchronise. Requests are plain HTTP to
// central, follow its redirects and check every byte. A row tells simulated, real and simulated / real. Needs root and iproute2; takes about
// four minutes. It counts only if the busiest core was idle for a quarter of the time or more. Ends with code 1 if a request failed or bytes were wrong.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runFleet } from "../src/sim/fleet-scenario.ts";
import type { FleetVolunteerPlan } from "../src/sim/fleet-volunteer.ts";
import type { FleetWorkload } from "../src/sim/fleet-workload.ts";
import type { PlacementView } from "../src/sim/placement.ts";
import { distributionOf } from "./support/distribution.ts";
import {
  ANNOUNCE_SECONDS,
  isPartialMirror,
  playRealReleaseDay,
  type RealReleaseDay,
} from "./support/real-release-day.ts";
import { ReleaseDayNetwork, type ReleaseDayLines } from "./support/release-day-network.ts";
import { printTable, type Row, writeResult } from "./support/report.ts";
import { isLeftOut, QUIET_SECONDS, smallReleaseDay } from "./support/small-release-day.ts";

const { values } = parseArgs({
  options: {
    mbit: { type: "string", default: "20" },
    "customer-mbit": { type: "string", default: "4" },
    mirrors: { type: "string", default: "8" },
    seed: { type: "string", default: "1" },
  },
});
const MIN_IDLE = 0.25;
/** After the release. */
const PEAK_SECONDS = 30;
const BITS_PER_MBIT = 1e6;
/** What a line carries above Ethernet, IP and TCP: 1,448 of 1,514 bytes, less some for acknowledgements. */
const PAYLOAD = 0.95;
/** Of the swarm in simulation: a release takes seconds here, not hours. */
const STEP_SECONDS = 0.5;

const seed = Number(values.seed);
const mirrors = Number(values.mirrors);
const bits = Number(values.mbit) * BITS_PER_MBIT;
const lines: ReleaseDayLines = {
  central: bits,
  mirrorDown: bits,
  mirrorUp: bits / 4,
  customer: Number(values["customer-mbit"]) * BITS_PER_MBIT,
};
const payload = (bitsPerSecond: number): number => (PAYLOAD * bitsPerSecond) / 8;
const workload = smallReleaseDay(seed, payload(lines.customer));
const simulated = await simulatedFigures();
const real = await realRun();
const found = realFigures(real);
const rows = Object.entries(found).map(([what, figure]): Row => ({
  what,
  simulated: simulated[what],
  real: figure,
  ratio: simulated[what]! / figure,
}));
const failed = real.results.filter(({ outcome }) => outcome === "failed").length;
const wrong = real.results.filter(({ outcome }) => outcome === "wrong").length;
const counts = real.idle >= MIN_IDLE ? "yes" : "no: machine busy";
printTable(
  [
    { key: "what", title: "what" },
    { key: "simulated", title: "simulated", digits: 2 },
    { key: "real", title: "real", digits: 2 },
    { key: "ratio", title: "simulated / real", digits: 2 },
  ],
  rows,
);
const retried = real.results.filter(({ tries }) => tries > 1).length;
console.log(`requests ${real.results.length}, failed ${failed}, wrong bytes ${wrong}, second tries ${retried}`);
console.log(`busiest core idle ${real.idle.toFixed(2)}; counts: ${counts}`);
const requests = real.results.length;
writeResult("release-day-real", {
  seed,
  mirrors,
  lines,
  requests,
  failed,
  wrong,
  retried,
  idle: real.idle,
  counts,
  rows,
});
if (failed + wrong > 0) process.exitCode = 1;

async function realRun(): Promise<RealReleaseDay> {
  const directory = mkdtempSync(join(tmpdir(), "prsync-bench-release-day-"));
  using network = new ReleaseDayNetwork(mirrors, lines);
  try {
    return await playRealReleaseDay({
      workload,
      network,
      centralBytesPerSecond: payload(lines.central),
      mirrorUpBytesPerSecond: payload(lines.mirrorUp),
      directory,
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function realFigures({ results, toldSeconds, completeSeconds, ...run }: RealReleaseDay): Record<string, number> {
  let [all, byVolunteers] = [0, 0];
  for (const { number, from } of results) {
    const { bytes } = workload.files[workload.requests[number]!.file]!;
    all += bytes;
    if (from !== run.centralHost) byVolunteers += bytes;
  }
  return {
    "last told, s": toldSeconds,
    "last complete, s": completeSeconds,
    ...waitFigures(
      workload,
      Float64Array.from(results, ({ seconds }) => seconds),
    ),
    "customers' bytes by volunteers, %": (100 * byVolunteers) / all,
    "central sent after the release, MB": run.centralSentBytes / 1e6,
  };
}

async function simulatedFigures(): Promise<Record<string, number>> {
  const volunteers = Array.from({ length: mirrors }, (_, mirror): FleetVolunteerPlan => ({
    upBytesPerSecond: payload(lines.mirrorUp),
    downBytesPerSecond: payload(lines.mirrorDown),
    sessions: [{ fromSeconds: 0, toSeconds: Infinity }],
    placement: isPartialMirror(mirror) ? withoutLeftOut : publishedFiles,
    isFilled: true,
  }));
  const outcome = await runFleet({
    seed,
    workload,
    originBytesPerSecond: payload(lines.central),
    volunteers,
    policy: "near",
    announceSeconds: ANNOUNCE_SECONDS,
    binSeconds: 10,
    stepSeconds: STEP_SECONDS,
  });
  const { originCustomerBytes, volunteerCustomerBytes, originSyncBytes } = outcome;
  const { toldSeconds = NaN, completeSeconds = NaN } = outcome.releases[1]!;
  return {
    "last told, s": toldSeconds,
    "last complete, s": completeSeconds,
    ...waitFigures(workload, outcome.waitSeconds),
    "customers' bytes by volunteers, %":
      (100 * volunteerCustomerBytes) / (originCustomerBytes + volunteerCustomerBytes),
    "central sent after the release, MB": (originCustomerBytes + originSyncBytes) / 1e6 / PAYLOAD,
  };
}

function publishedFiles({ files, releases }: PlacementView): number[] {
  return files.flatMap(({ release }, file) => (release < releases ? [file] : []));
}

function withoutLeftOut(view: PlacementView): number[] {
  return publishedFiles(view).filter((file) => !isLeftOut(file));
}

function waitFigures({ requests }: FleetWorkload, waitSeconds: Float64Array): Record<string, number> {
  const within = (from: number, to: number): Float64Array =>
    waitSeconds.filter((_, at) => requests[at]!.atSeconds >= from && requests[at]!.atSeconds < to);
  const quiet = distributionOf(within(0, QUIET_SECONDS));
  const peak = distributionOf(within(QUIET_SECONDS, QUIET_SECONDS + PEAK_SECONDS));
  return {
    "quiet wait, mean s": quiet.mean,
    "quiet wait, p95 s": quiet.p95,
    "peak wait, mean s": peak.mean,
    "peak wait, p95 s": peak.p95,
  };
}
