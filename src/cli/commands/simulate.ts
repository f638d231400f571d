import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { LogRequests } from "../../analyze/log-requests.ts";
import { pageHtml } from "../../analyze/report-html.ts";
import { sectionLines } from "../../analyze/section.ts";
import { messageOf } from "../../core/errors.ts";
import { curvesSvg } from "../../report/curves-svg.ts";
import type { FleetWorkload } from "../../sim/fleet-workload.ts";
import { studyLoad } from "../../sim/load-study.ts";
import { LoggedWorkload } from "../../sim/logged-workload.ts";
import { studyPlacements } from "../../sim/placement-study.ts";
import { DEFAULT_RELEASE_DAY, releaseDayWorkload } from "../../sim/release-day-workload.ts";
import { studyVolunteers } from "../../sim/volunteer-study.ts";
import { parseSiteTable, SiteTable } from "../../tracker/site-table.ts";
import { type ParsedArguments, UsageError } from "../arguments.ts";
import type { Command, CommandContext } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { JSON_OPTION } from "../load-options.ts";
import { logsInOrder, openLog } from "../log-order.ts";
import type { OptionSpec } from "../option-spec.ts";
import { assertWritable } from "../writable-outputs.ts";
import { SIMULATE_OPTIONS, type SimulateOptions, simulateOptions } from "../simulate/simulate-options.ts";
import {
  reportJson,
  type SimulationReport,
  simulationPlots,
  simulationSections,
  type WorkloadSummary,
} from "../simulate/simulate-report.ts";

function fileOption(name: string, help: string): OptionSpec {
  return { name, kind: "text", placeholder: "FILE", isPath: true, isOnce: true, help };
}

/** `prsync simulate [LOG…]` */
export const simulateCommand: Command = {
  name: "simulate",
  summary: "both: what volunteers would do for central, played with a log or a made-up release",
  description:
    "Plays days of customers against central and its volunteers, in virtual time and with central's own choice: from access logs, as\n" +
    "prsync analyze reads them, or, without LOG, from a generator (a quiet day, a release, its flash crowd). Tells central's load by itself,\n" +
    "with caches and with customers that give what they have; how many mirrors with which lines keep it below a limit; and what machines\n" +
    "that come and go are good for, by what is placed on them. Everything follows from --seed.",
  positionals: [{ name: "LOG", isOptional: true, isRepeated: true }],
  options: [
    JSON_OPTION,
    fileOption("html", "write tables and plots to FILE, one HTML page that loads nothing"),
    fileOption("svg", "write the plots to FILE"),
    fileOption(
      "sites",
      "names of customers' sites, lines of ADDRESS/BITS NAME, an AS number say (default: /16 or /48)",
    ),
    ...SIMULATE_OPTIONS,
  ],
  run: runSimulate,
};

async function runSimulate(args: ParsedArguments, context: CommandContext): Promise<number> {
  const options = simulateOptions(args);
  await assertWritable(args, ["html", "svg"]);
  const isLogged = args.positional("LOG") !== undefined;
  const workload = isLogged ? await loggedWorkload(args, options, context) : generatedWorkload(options);
  const report: SimulationReport = {
    seed: options.seed,
    workload: summaryOf(workload, isLogged),
    below: options.below,
    ...(await played(workload, options, context)),
  };
  const svg = curvesSvg("Simulated", simulationPlots(report));
  const [svgPath, htmlPath] = [args.text("svg"), args.text("html")];
  const head = { title: "prsync simulate", heading: "What volunteers would do for central", svg };
  if (svgPath !== undefined) await writeFile(svgPath, svg);
  if (htmlPath !== undefined) await writeFile(htmlPath, pageHtml(head, simulationSections(report)));
  if (args.flag("json")) context.print(reportJson(report));
  else for (const line of simulationSections(report).flatMap(sectionLines)) context.print(line);
  return EXIT.ok;
}

async function played(
  workload: FleetWorkload,
  options: SimulateOptions,
  context: CommandContext,
): Promise<Pick<SimulationReport, "load" | "volunteers" | "placement">> {
  const { studies, seed, policy, originLine, below } = options;
  const onRun = (what: string): void => {
    context.signal.throwIfAborted();
    if (context.isTerminal) context.complain(`playing ${what}`);
  };
  return {
    ...(studies.includes("load") ? { load: studyLoad(workload) } : {}),
    ...(studies.includes("volunteers")
      ? {
          volunteers: await studyVolunteers(workload, {
            seed,
            policy,
            counts: options.volunteers,
            linksBytesPerSecond: options.lines,
            lingersSeconds: options.lingers,
            belowBytesPerSecond: below,
            originBytesPerSecond: originLine,
            onRun: ({ count }) => onRun(`${count} volunteers`),
          }),
        }
      : {}),
    ...(studies.includes("placement")
      ? {
          placement: await studyPlacements(workload, {
            seed,
            policy,
            volunteers: options.volatileVolunteers,
            linkBytesPerSecond: options.volatileLine,
            quotaBytes: options.quotaBytes,
            originBytesPerSecond: originLine,
            originSyncBytesPerSecond: below / 2,
            onRun: (placement) => onRun(`placement ${placement}`),
          }),
        }
      : {}),
  };
}

function generatedWorkload({ seed, requests, days, peakToMean, customerLine }: SimulateOptions): FleetWorkload {
  const line = { medianDownBytesPerSecond: customerLine };
  return releaseDayWorkload({ ...DEFAULT_RELEASE_DAY, ...line, seed, requests, days, peakToMean });
}

/** @throws UsageError if no download can be played */
async function loggedWorkload(
  args: ParsedArguments,
  { seed, customerLine }: SimulateOptions,
  context: CommandContext,
): Promise<FleetWorkload> {
  const sites = siteTableOf(args);
  const logged = new LoggedWorkload();
  const requests = new LogRequests((request) => logged.add({ ...request, site: sites.siteOf(request.client) }));
  for (const path of await logsInOrder(args.repeated("LOG"))) {
    const source = openLog(path, context.signal);
    for await (const chunk of source) {
      context.signal.throwIfAborted();
      await requests.push(chunk);
    }
    context.signal.throwIfAborted();
    const damage = source.damage();
    requests.endLog(damage !== undefined);
    if (damage !== undefined) context.complain(`prsync: "${path}" is damaged, read as far as it goes: ${damage}`);
  }
  if (requests.skipped > 0) context.complain(`prsync: ${requests.skipped} lines could not be used`);
  const workload = logged.workload(seed, customerLine);
  if (logged.unsizedCount > 0)
    context.complain(`prsync: ${logged.unsizedCount} downloads left out: the log tells no size of these files`);
  if (workload === undefined) throw new UsageError(["LOG: expected a download with a size, found none"]);
  return workload;
}

/** @throws UsageError */
function siteTableOf(args: ParsedArguments): SiteTable {
  const path = args.text("sites");
  if (path === undefined) return new SiteTable();
  try {
    return parseSiteTable(readFileSync(path, "utf8"));
  } catch (error) {
    throw new UsageError([`--sites: ${messageOf(error)}`]);
  }
}

function summaryOf(
  { files, requests, publishedSeconds, horizonSeconds }: FleetWorkload,
  isLogged: boolean,
): WorkloadSummary {
  const fresh = files.filter(({ release }) => release > 0);
  return {
    from: isLogged ? "log" : "generator",
    requests: requests.length,
    bytes: requests.reduce((sum, { file }) => sum + files[file]!.bytes, 0),
    files: files.length,
    newFiles: fresh.length,
    newBytes: fresh.reduce((sum, { bytes }) => sum + bytes, 0),
    releases: publishedSeconds.length - 1,
    hours: horizonSeconds / 3600,
    sites: new Set(requests.map(({ site }) => site)).size,
  };
}
