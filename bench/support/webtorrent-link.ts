// One end of a link by webtorrent: `node webtorrent-link.ts seed DIRECTORY TORRENT` or `fetch DIRECTORY TORRENT PORT`. Speaks the
// same JSON lines as swarm-link.ts. Defaults of webtorrent, but TCP alone and nothing but the peer that is named.
import { once } from "node:events";
import { performance } from "node:perf_hooks";
import WebTorrent from "webtorrent";

const [role, directory, torrentPath, port] = process.argv.slice(2);
const client = new WebTorrent({
  dht: false,
  lsd: false,
  natUpnp: false,
  natPmp: false,
  utp: false,
  tracker: false,
  secure: 0,
});
client.on("error", (error) => {
  throw error;
});

if (role === "seed") await seed();
else await fetch(Number(port));
client.destroy();

async function seed(): Promise<void> {
  // Like the others it does not read what it gives before the clock runs.
  const torrent = client.add(torrentPath!, { path: directory!, skipVerify: true });
  await once(torrent, "done");
  const before = process.cpuUsage();
  say({ port: client.torrentPort });
  await once(process, "SIGTERM");
  say({ cpuSeconds: cpuSecondsSince(before) });
}

async function fetch(from: number): Promise<void> {
  const [start, before] = [performance.now(), process.cpuUsage()];
  const torrent = client.add(torrentPath!, { path: directory! });
  torrent.once("ready", () => torrent.addPeer(`127.0.0.1:${from}`));
  await once(torrent, "done");
  say({ wallSeconds: (performance.now() - start) / 1000, cpuSeconds: cpuSecondsSince(before) });
}

function cpuSecondsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

function say(fields: Record<string, unknown>): void {
  console.log(JSON.stringify(fields));
}
