import { formatByteSize } from "../core/byte-size.ts";
import { escapeHtml } from "../delivery/html-text.ts";
import { type BundleStatus, type CentralStatus, torrentPath, type VolunteerStatus } from "./central-status.ts";

const STYLE =
  "body{font:15px/1.4 system-ui,sans-serif;margin:2em}table{border-collapse:collapse}" +
  "td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #ccc}.warning{color:#a00}";

/** The operator's page: plain HTML, nothing loaded from anywhere. */
export function renderStatusPage(status: CentralStatus, volunteers: readonly VolunteerStatus[]): string {
  const { release } = status;
  const summary =
    release === null
      ? "No release yet: run <code>prsync publish</code>."
      : `Release ${release.number} of ${escapeHtml(release.created)}: ${release.files} files, ${formatByteSize(release.bytes)}.`;
  const { enrolled, heard, syncing, current } = status.volunteers;
  const warnings = status.warnings.map((line) => `<p class="warning">${escapeHtml(line)}</p>`).join("");
  return (
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="30">` +
    `<title>PRsync central</title><style>${STYLE}</style></head><body><h1>PRsync central</h1><p>${summary}</p>${warnings}` +
    `<p>Volunteers: ${enrolled} enrolled, ${heard} heard of, ${current} at this release, ${syncing} synchronising. ` +
    `Customers: ${status.http.customerRequests} requests, ${formatByteSize(status.http.customerBytes)} sent. ` +
    `Swarm: ${status.swarm.connections} connections.</p>` +
    "<table><tr><th>name<th>site<th>state<th>release<th>left<th>customers<th>upload<th>port<th>last seen</tr>" +
    `${volunteers.map(renderVolunteer).join("")}</table>${renderBundles(status.bundles)}</body></html>\n`
  );
}

/** Folded away: a large repository has hundreds. */
function renderBundles(bundles: readonly BundleStatus[]): string {
  const links = bundles.map((bundle) => `<li><a href="${torrentPath(bundle)}">bundle ${bundle.number}</a>`);
  return links.length === 0 ? "" : `<details><summary>Torrents</summary><ul>${links.join("")}</ul></details>`;
}

function renderVolunteer({ name, state, site, live, lastSeen }: VolunteerStatus): string {
  const shownState = live?.isSyncing === true ? `${state}, synchronising` : state;
  const cells = [
    name,
    site ?? "",
    shownState,
    live === undefined ? "" : String(live.release),
    live === undefined ? "" : formatByteSize(live.bytesLeft),
    live === undefined ? "" : String(live.customers),
    live === undefined ? "" : `${formatByteSize(live.uploadBytesPerSecond)}/s`,
    live?.portState ?? "",
    lastSeen ?? "never",
  ];
  return `<tr>${cells.map((cell) => `<td>${escapeHtml(cell)}`).join("")}</tr>`;
}
