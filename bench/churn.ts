// Customers while mirrors come and go: `npm run bench -- churn`, or `node bench/churn.ts --requests 50000 --seed 1` after `npm run build`. Central and
// eight mirrors as real programs on loopback: two that stay, two that are killed (kill -9) in turn and come back, two that hold half of the files, two
// whose syncs fail most of the time, of both one behind nginx (or a plain web server, where nginx is not installed); releases come meanwhile, so that all of them synchronise. Each request is a customer of its own (an address
// of loopback), follows the redirect and checks the SHA-256; one whose connection is refused or breaks asks once more. Ends with code 1 if a
// customer got a 404 or wrong bytes, was sent to a killed mirror later than two announce intervals after the kill, failed twice, or if mirrors
// gave less than 90 % of the bytes.
import { parseArgs } from "node:util";
import { ANNOUNCE_INTERVAL_MS, ChurnScene, type ChurnOptions } from "../test/support/churn-scene.ts";
import { printTable, writeResult } from "./support/report.ts";

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "50000" },
    concurrency: { type: "string", default: "16" },
    seed: { type: "string", default: "20261122" },
  },
});
const options: ChurnOptions = {
  seed: Number(values.seed),
  requests: Number(values.requests),
  concurrency: Number(values.concurrency),
  files: 300,
  killEvery: 2_500,
  publishEvery: 4_000,
};
await using scene = await ChurnScene.start(options);
const report = await scene.run();
const volunteerShare = report.volunteerBytes / report.bytes;
const holds = {
  "no 404": report.notFound === 0,
  "no other status": report.otherStatus === 0,
  "no wrong bytes": report.wrongBytes === 0,
  "90 % of the bytes from mirrors": volunteerShare >= 0.9,
  "cut within two intervals of a kill": report.cutOutOfTime === 0,
  "the next try succeeds": report.cutTwice === 0,
  "every customer has its file": report.files === options.requests,
};
const { complaints, ...figures } = report;
printTable(
  [
    { key: "what", title: "what" },
    { key: "figure", title: "figure", digits: 3 },
  ],
  Object.entries({ ...figures, volunteerShare }).map(([what, figure]) => ({ what, figure })),
);
for (const [what, isSo] of Object.entries(holds)) console.log(`${isSo ? "holds" : "FAILS"}: ${what}`);
for (const complaint of complaints) console.log(complaint);
writeResult("churn", { options, announceIntervalMs: ANNOUNCE_INTERVAL_MS, ...report, volunteerShare, holds });
if (!Object.values(holds).every(Boolean)) process.exitCode = 1;
