import { seededRandom, type Random } from "../../src/core/clock.ts";
import { cacheSavedShare, peerAssistedServerShare } from "../../src/model/cache-savings.ts";
import { QueryTime, WINDOWS_UPDATE_POLLING } from "../../src/model/polling.ts";
import { line, type CurvePlot } from "../../src/report/curves-svg.ts";
import { type ServerLoad, ServerLoadSum } from "../../src/sim/server-load.ts";
import { exponential } from "./matching-simulation.ts";
import { check, type Check, type Findings } from "./planet-check.ts";

// Figure 13 of Planet Scale Software Updates: the server's load after a release with caches or peers. The trace of arrivals
// is not public; ours has a fifth of hosts that are always online (eq. 4) and the paper's days for the others, with a peak a
// day. Rates are lognormal, uploads a quarter of downloads, a download takes a minute on average.

const DAY = 86_400;
const UNTIL_SECONDS = 1.5 * DAY;
const BIN_SECONDS = 2;
const MEAN_DOWNLOAD_SECONDS = 60;
const UPLOAD_RATIO = 1 / 4;
const ALWAYS_ONLINE = 0.2;
/** Section 4.1.1: millions of new addresses on each day. */
const DAYS = [117, 22, 11];
/** Table 3, more than 25 requests. */
const CACHED_SHARE = 0.2278 / (1 - 1 / 106.11);
const USERS_PER_CACHE = 106.11;
const POPULATIONS = [20_000, 200_000, 2_000_000] as const;
/** Stays in units of the download's time: gone at once, twice as long, until as much is given as was taken. */
const STAYS = [1, 2, 4] as const;
const NO_CACHE = -1;

/** Peers by {@link STAYS}. */
interface Loads extends Pick<ServerLoad, "clientServer" | "cached" | "peers"> {
  readonly hosts: number;
}

/** All about figure 13. */
export function serverLoadFindings(seed: number): Findings {
  const random = seededRandom(seed);
  const loads = POPULATIONS.map((hosts) => simulateLoads(hosts, random));
  const whole = loads.at(-1)!;
  const share = (load: Float64Array, { clientServer }: Loads): number => (100 * sum(load)) / sum(clientServer);
  const full = loads.map((one) => share(one.peers[2]!, one).toFixed(1)).join(", ");
  const row = "B3 Fig 13";
  const checks: Check[] = [
    check({
      row,
      what: "percent of client–server's load with caches at addresses with more than 25",
      paper: 77.2,
      closed: 100 * (1 - cacheSavedShare(CACHED_SHARE, USERS_PER_CACHE)),
      simulated: share(whole.cached, whole),
      tolerance: 0.8,
      noise: 0.01,
      note: "the text says a reduction of roughly 20 %",
    }),
    ...[75, 50].map((paper, i) =>
      check({
        row,
        what: `the same, peers upload ${STAYS[i]!} × as long as they download`,
        paper,
        closed: 100 * peerAssistedServerShare(UPLOAD_RATIO, STAYS[i]!),
        simulated: share(whole.peers[i]!, whole),
        tolerance: 0.5,
        noise: 0.01,
      }),
    ),
    check({
      row,
      what: "the same, peers upload as much as they download",
      paper: "less than 10",
      closed: 100 * peerAssistedServerShare(UPLOAD_RATIO, 4),
      simulated: share(whole.peers[2]!, whole),
      // A share of the closed form's 0 says nothing: what is left is what a finite swarm cannot match in time.
      noise: Infinity,
      holds: share(whole.peers[2]!, whole) < 10,
      note: `${full} with ${POPULATIONS.join(", ")} hosts: what is left is chance, and falls with their number`,
    }),
    check({
      row,
      what: "order of the loads: server alone, caches ~ peers gone at once, twice, full",
      paper: "as in the figure",
      holds:
        Math.abs(share(whole.cached, whole) - share(whole.peers[0]!, whole)) < 5 &&
        share(whole.peers[0]!, whole) > share(whole.peers[1]!, whole) &&
        share(whole.peers[1]!, whole) > share(whole.peers[2]!, whole),
    }),
  ];
  return { checks, plots: [figure13(whole)] };
}

function simulateLoads(hosts: number, random: Random): Loads {
  const downloads = {
    bytes: 1,
    atSeconds: new Float64Array(hosts),
    seconds: new Float64Array(hosts),
    sites: new Int32Array(hosts).fill(NO_CACHE),
  };
  const caches = Math.round((hosts * CACHED_SHARE) / USERS_PER_CACHE);
  const queries = new QueryTime(WINDOWS_UPDATE_POLLING);
  for (let host = 0; host < hosts; host++) {
    downloads.atSeconds[host] = arrival(queries, random);
    downloads.seconds[host] = MEAN_DOWNLOAD_SECONDS * lognormal(random);
    if (random() < CACHED_SHARE) downloads.sites[host] = Math.floor(random() * caches);
  }
  const sum = new ServerLoadSum({
    horizonSeconds: UNTIL_SECONDS,
    binSeconds: BIN_SECONDS,
    uploadRatio: UPLOAD_RATIO,
    stays: STAYS,
    hasCache: (site) => site !== NO_CACHE,
  });
  sum.add(downloads);
  return { hosts, ...sum.load };
}

function arrival(queries: QueryTime, random: Random): number {
  if (random() < ALWAYS_ONLINE) return queries.secondsAt(random());
  let day = 0;
  for (let at = random() * sum(DAYS); at >= DAYS[day]!; day++) at -= DAYS[day]!;
  return day * DAY + timeOfDay(random);
}

/** Density 1 + cos about a peak six hours after the release, by rejection. */
function timeOfDay(random: Random): number {
  for (;;) {
    const at = random() * DAY;
    if (2 * random() < 1 + Math.cos((2 * Math.PI * (at - DAY / 4)) / DAY)) return at;
  }
}

/** Mean 1, a factor of e within a standard deviation. */
function lognormal(random: Random): number {
  const normal = Math.sqrt(2 * exponential(random)) * Math.cos(2 * Math.PI * random());
  return Math.exp(normal - 0.5);
}

function figure13({ hosts, clientServer, cached, peers }: Loads): CurvePlot {
  const step = 600 / BIN_SECONDS;
  const curve = (load: Float64Array): [number, number][] =>
    Array.from({ length: Math.floor(load.length / step) }, (_, i) => {
      const part = load.subarray(i * step, (i + 1) * step);
      return [((i + 0.5) * 600) / 3600, sum(part) / part.length / (hosts / 1e6)];
    });
  return {
    title: `Fig 13: server load after a release, ${hosts} hosts`,
    x: { title: "hours after the release", isLogarithmic: false },
    y: { title: "files/s per million hosts", isLogarithmic: false },
    curves: [
      line("client–server", "#222", curve(clientServer)),
      line("caches", "#2a9d6f", curve(cached)),
      line("peers, upload as long as download", "#3b6ea5", curve(peers[0]!)),
      line("peers, twice as long", "#e08e1b", curve(peers[1]!)),
      line("peers, as much as they took", "#c0392b", curve(peers[2]!)),
    ],
  };
}

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}
