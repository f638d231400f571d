import { createHash } from "node:crypto";
import { formatByteSize } from "../core/byte-size.ts";
import { escapeHtml } from "../delivery/html-text.ts";
import {
  type BundleStatus,
  type CentralStatus,
  type PublicVolunteerStatus,
  torrentPath,
  type VolunteerStatus,
} from "./central-status.ts";
import type { TransferReport } from "../tracker/transfer-totals.ts";
import type { SpreadRelease } from "./release-spread.ts";
import { renderHours, renderSpreadCurve } from "./status-charts.ts";

const STYLE =
  "body{font:15px/1.4 system-ui,sans-serif;margin:2em}table{border-collapse:collapse}" +
  "td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #ccc}.warning{color:#a00}" +
  ".number{text-align:right;font-variant-numeric:tabular-nums}svg{background:#f4f4f4}h2{font-size:1.1em;margin:1.5em 0 .5em}";

/** Shows the page anew for each event; by the clock, too, where events do not come through. */
const SCRIPT =
  'const show=async()=>{const text=await (await fetch("status")).text();' +
  'const main=new DOMParser().parseFromString(text,"text/html").querySelector("main");' +
  'const folded=document.querySelector("details")?.open;' +
  'document.querySelector("main").replaceWith(main);' +
  'if(folded)main.querySelector("details").open=true};' +
  "const again=()=>show().catch(()=>{});" +
  'new EventSource("status/events").addEventListener("changed",again);setInterval(again,30000)';

/** Nothing but the page's own script runs, and nothing is loaded from anywhere. */
export const STATUS_PAGE_POLICY: string =
  `default-src 'none'; style-src 'unsafe-inline'; connect-src 'self'; ` +
  `base-uri 'none'; form-action 'none'; frame-ancestors 'none'; ` +
  `script-src 'sha256-${createHash("sha256").update(SCRIPT).digest("base64")}'`;

/** A row of the page, for the operator or for everybody. */
export type ShownVolunteer = VolunteerStatus | PublicVolunteerStatus;

/** Plain HTML that is right without its script. */
export function renderStatusPage(status: CentralStatus, volunteers: readonly ShownVolunteer[]): string {
  return (
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>PRsync central</title><style>${STYLE}</style>` +
    '<noscript><meta http-equiv="refresh" content="30"></noscript></head><body><h1>PRsync central</h1>' +
    `<main>${renderMain(status, volunteers)}</main><script>${SCRIPT}</script></body></html>\n`
  );
}

function renderMain(status: CentralStatus, volunteers: readonly ShownVolunteer[]): string {
  const { release } = status;
  const summary =
    release === null
      ? "No release yet: run <code>prsync publish</code>."
      : `Release ${release.number} of ${escapeHtml(release.created)}: ${release.files} files, ${formatByteSize(release.bytes)}.`;
  const { enrolled, heard, syncing, current } = status.volunteers;
  const warnings = status.warnings.map((line) => `<p class="warning">${escapeHtml(line)}</p>`).join("");
  return (
    `<p>${summary}</p>${warnings}` +
    `<p>Volunteers: ${enrolled} enrolled, ${heard} heard of, ${current} at this release, ${syncing} synchronising. ` +
    `Swarm: ${status.swarm.connections} connections. Since ${escapeHtml(status.startedAt)}:</p>` +
    renderOrigins(status) +
    `<h2>Volunteers</h2>${renderVolunteers(volunteers)}` +
    `<h2>Releases</h2>${renderSpread(status.spread, heard)}` +
    `<h2>Customers by the hour</h2>${renderHours(status.hours)}` +
    `<p>Of the last hour: ${lastHour(status)}. Blue: sent to volunteers; orange: answered by central.</p>` +
    renderBundles(status.bundles)
  );
}

/** Who gave what, and what nobody had to give. */
function renderOrigins({ http, swarm, transfers }: CentralStatus): string {
  const rows: readonly (readonly [string, string, string])[] = [
    [
      "customers",
      `${http.customerRequests} requests, ${http.customerRedirects} of them sent to volunteers`,
      byShare({ central: http.customerBytes, volunteers: transfers.customerBytes }),
    ],
    [
      "volunteers",
      savedOf(transfers),
      byShare({ central: swarm.counters.uploadedBytes, volunteers: transfers.swarmBytes }),
    ],
  ];
  const cells = rows.map(([to, what, from]) => `<tr><td>${to}<td>${what}<td>${from}</tr>`).join("");
  return `<table id="origins"><tr><th>to<th><th>bytes from</tr>${cells}</table>`;
}

/** Of what releases asked volunteers for: what nobody had to send, and what central had not to. */
function savedOf({ reusedBytes, deltaBytes, peerBytes, originBytes }: TransferReport): string {
  const parts = [
    `${formatByteSize(Math.max(0, reusedBytes - deltaBytes))} there already, under any name or from a broken-off run`,
    `${formatByteSize(deltaBytes)} as parts of other files (delta)`,
    `${formatByteSize(peerBytes)} from volunteers (swarm)`,
    `${formatByteSize(originBytes)} from central`,
  ];
  return `of what releases asked for: ${parts.join(", ")}`;
}

function byShare({ central, volunteers }: { readonly central: number; readonly volunteers: number }): string {
  const total = central + volunteers;
  const share = total === 0 ? 0 : Math.round((100 * central) / total);
  return `central ${formatByteSize(central)} (${share} %), volunteers ${formatByteSize(volunteers)}`;
}

function renderVolunteers(volunteers: readonly ShownVolunteer[]): string {
  const head = [
    "name",
    "site",
    "state",
    "release",
    "left",
    "upload",
    "given",
    "port",
    "customers",
    "sent back",
    "last seen",
  ];
  const rows = volunteers.map(renderVolunteer).join("");
  return `<table id="volunteers"><tr>${head.map((title) => `<th>${title}`).join("")}</tr>${rows}</table>`;
}

function renderVolunteer(volunteer: ShownVolunteer): string {
  const { name, state, site, live, lastSeen, noCustomers, auditFailure, misses } = volunteer;
  const quotaBytes = live?.volatileQuotaBytes;
  const role = quotaBytes === undefined ? state : `${state}, volatile (${formatByteSize(quotaBytes)})`;
  const shownState =
    live?.isSyncing === true ? `${role}, synchronising` : live?.isAway === true ? `${role}, away` : role;
  const customers = noCustomers === undefined ? `${live?.customers ?? 0} now` : `none: ${auditFailure ?? noCustomers}`;
  const cells = [
    name,
    site ?? "",
    shownState,
    live === undefined ? "" : String(live.release),
    live === undefined ? "" : formatByteSize(live.bytesLeft),
    live === undefined ? "" : `${formatByteSize(live.uploadBytesPerSecond)}/s`,
    live === undefined ? "" : formatByteSize(live.givenBytes),
    live?.portState ?? "",
    customers,
    misses === undefined ? "" : `${misses.customers} (networks lately: ${misses.networks})`,
    lastSeen ?? "never",
  ];
  return `<tr>${cells.map((cell) => `<td>${escapeHtml(cell)}`).join("")}</tr>`;
}

function renderSpread(spread: readonly SpreadRelease[], heard: number): string {
  const [current] = spread;
  if (current === undefined) return "<p>None yet.</p>";
  const head = ["release", "of", "reached", "half after", "90 % after", "all after"];
  const rows = spread.map((release) => {
    const { number, createdMs, reachedMs } = release;
    const volunteers = Math.max(heard, reachedMs.length);
    const after = (share: number): string => {
      const ms = reachedMs[Math.ceil(share * volunteers) - 1];
      return ms === undefined ? "–" : seconds(ms - createdMs);
    };
    const cells = [String(number), new Date(createdMs).toISOString(), `${reachedMs.length} of ${volunteers}`];
    return `<tr>${[...cells, after(0.5), after(0.9), after(1)].map((cell) => `<td class="number">${cell}`).join("")}</tr>`;
  });
  const afterMs = current.reachedMs.map((ms) => ms - current.createdMs);
  return (
    `<table id="releases"><tr>${head.map((title) => `<th>${title}`).join("")}</tr>${rows.join("")}</table>` +
    `<p>Volunteers at release ${current.number} over time:</p>${renderSpreadCurve(afterMs, heard)}`
  );
}

/** What was seen late, after a restart of central, is shown as it was seen. */
function seconds(ms: number): string {
  return `${Math.max(0, Math.round(ms / 1000))} s`;
}

function lastHour({ hours }: CentralStatus): string {
  const hour = hours.at(-1);
  if (hour === undefined) return "nothing";
  const { customerRequests, customerRedirects, customerBytes, swarmBytes } = hour;
  return (
    `${customerRequests} requests, ${customerRedirects} sent to volunteers, ` +
    `${formatByteSize(customerBytes)} from central to customers, ${formatByteSize(swarmBytes)} to volunteers`
  );
}

/** Folded away: a large repository has hundreds. */
function renderBundles(bundles: readonly BundleStatus[]): string {
  const links = bundles.map((bundle) => `<li><a href="${torrentPath(bundle)}">bundle ${bundle.number}</a>`);
  return links.length === 0 ? "" : `<details><summary>Torrents</summary><ul>${links.join("")}</ul></details>`;
}
