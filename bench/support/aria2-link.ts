import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeBencode } from "../../src/codec/bencode.ts";
import { buildTorrent } from "../../src/manifest/torrent.ts";
import { FreshDisk } from "./fresh-disk.ts";
import { assertSame, BUNDLE_NAME, cpuSecondsOf, type LinkTool } from "./link-tools.ts";
import { measureSuccess } from "./report.ts";

const QUIET = [
  "--quiet",
  "--enable-dht=false",
  "--bt-enable-lpd=false",
  "--disable-ipv6",
  "--enable-peer-exchange=false",
];
/** No limit, nothing asked of a proxy, no time spent on allocation. */
const COMMON = [
  ...QUIET,
  "--no-proxy=127.0.0.1",
  "--file-allocation=none",
  "--follow-torrent=mem",
  "--allow-overwrite",
];

/**
 * aria2's seed and downloader, which find each other through a tracker of ours because aria2 takes no peer's address.
 * Wall time is the client's whole life: its announces and some seconds of its start and end are included.
 */
export const aria2Link: LinkTool = async (task) => {
  await using tracker = await startTracker();
  const torrent = join(task.directory, "aria2.torrent");
  writeFileSync(torrent, buildTorrent(readFileSync(task.info), tracker.url));
  const words = [...COMMON, "--bt-seed-unverified", "--seed-ratio=0.0", `--dir=${task.directory}`, torrent];
  const seed = spawn("aria2c", words, { stdio: "ignore" });
  try {
    await tracker.hasMember();
    using disk = FreshDisk.make(task.lengthBytes);
    const before = cpuSecondsOf(seed.pid!);
    const client = [...COMMON, "--seed-time=0", `--dir=${disk.path}`, torrent];
    const { wallSeconds, cpuSeconds } = await measureSuccess("aria2c", client);
    const senderCpuSeconds = cpuSecondsOf(seed.pid!) - before;
    assertSame(task.file, join(disk.path, BUNDLE_NAME, "data"));
    return { wallSeconds, senderCpuSeconds, receiverCpuSeconds: cpuSeconds };
  } finally {
    seed.kill("SIGKILL");
    await once(seed, "exit");
  }
};

interface Tracker extends AsyncDisposable {
  readonly url: string;
  hasMember(): Promise<void>;
}

/** BEP 3 and BEP 23: everybody gets everybody else. */
async function startTracker(): Promise<Tracker> {
  const ports = new Set<number>();
  const server = createServer((request, response) => {
    const query = new URLSearchParams(request.url!.split("?")[1]);
    const port = Number(query.get("port"));
    if (query.get("event") === "stopped") ports.delete(port);
    else ports.add(port);
    const others = [...ports].filter((other) => other !== port);
    const peers = Buffer.concat(others.map((other) => Buffer.from([127, 0, 0, 1, other >> 8, other & 255])));
    response.end(
      encodeBencode(
        new Map<string, number | Uint8Array>([
          ["interval", 1800],
          ["peers", peers],
        ]),
      ),
    );
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/announce`,
    hasMember: async () => {
      for (let attempt = 0; ports.size === 0; attempt++) {
        if (attempt === 200) throw new Error("aria2's seed did not announce itself");
        await sleep(50);
      }
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
