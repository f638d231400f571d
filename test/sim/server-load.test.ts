import { expect, test } from "vitest";
import { seededRandom } from "../../src/core/clock.ts";
import { QueryTime, WINDOWS_UPDATE_POLLING } from "../../src/model/polling.ts";
import { type FileDownloads, ServerLoadSum } from "../../src/sim/server-load.ts";
import { normal } from "../../src/sim/workload.ts";

const HOSTS = 100_000;
const USERS_PER_CACHE = 106.11;
const CACHED_SHARE = 0.2278 / (1 - 1 / USERS_PER_CACHE);

/** Hosts that ask by eq. 4, downloads of a minute on average; a part of them behind caches, as table 3 has it. */
function hosts(): FileDownloads {
  const random = seededRandom(13);
  const queries = new QueryTime(WINDOWS_UPDATE_POLLING);
  const caches = Math.round((HOSTS * CACHED_SHARE) / USERS_PER_CACHE);
  return {
    bytes: 1e6,
    atSeconds: Float64Array.from({ length: HOSTS }, () => queries.secondsAt(random())),
    seconds: Float64Array.from({ length: HOSTS }, () => 60 * Math.exp(normal(random) - 0.5)),
    sites: Int32Array.from({ length: HOSTS }, () => (random() < CACHED_SHARE ? Math.floor(random() * caches) : -1)),
  };
}

test("figure 13: caches leave 77 % to the server, peers 75, 50 and less than 10 % by how long they stay", () => {
  const sum = new ServerLoadSum({
    horizonSeconds: 1.5 * 86_400,
    binSeconds: 10,
    uploadRatio: 1 / 4,
    stays: [1, 2, 4],
    hasCache: (site) => site >= 0,
  });
  sum.add(hosts());
  const { clientServer, cached, peers } = sum.load;
  const bytes = (series: Float64Array): number => series.reduce((total, value) => total + value, 0);
  const share = (series: Float64Array): number => (100 * bytes(series)) / bytes(clientServer);
  expect(bytes(clientServer) * 10).toBeCloseTo(HOSTS * 1e6, -9);
  expect(share(cached)).toBeGreaterThan(76.4);
  expect(share(cached)).toBeLessThan(78);
  expect(Math.abs(share(peers[0]!) - 75)).toBeLessThan(0.5);
  expect(Math.abs(share(peers[1]!) - 50)).toBeLessThan(0.5);
  expect(share(peers[2]!)).toBeLessThan(10);
});

test("what could stay within sites is less than what peers give, and all of it if there is one site", () => {
  const one = { ...hosts(), sites: new Int32Array(HOSTS) };
  const several = { ...one, sites: one.sites.map((_, at) => at % 7) };
  const within = [one, several].map((downloads) => {
    const sum = new ServerLoadSum({
      horizonSeconds: 86_400,
      binSeconds: 60,
      uploadRatio: 1 / 4,
      stays: [2],
      hasCache: () => false,
    });
    sum.add(downloads);
    sum.addSites(downloads);
    return sum.load.sameSiteBytes[0]! / sum.load.givenBytes[0]!;
  });
  expect(within[0]).toBeCloseTo(1, 9);
  expect(within[1]).toBeLessThan(1);
  expect(within[1]).toBeGreaterThan(0.5);
});
