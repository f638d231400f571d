// A stock client: `node webtorrent-fetch.ts TORRENT DIRECTORY SECONDS`. Joins the swarm of TORRENT through its tracker until
// it has everything or SECONDS have passed, and prints one JSON line.
import WebTorrent from "webtorrent";

const [torrentPath, directory, seconds] = process.argv.slice(2);
// By default it tries uTP first, 45 s, and then calls by MSE alone; we speak plain BEP 3 over TCP.
const client = new WebTorrent({ dht: false, lsd: false, natUpnp: false, natPmp: false, utp: false, secure: 0 });
const events: string[] = [];
const timer = setTimeout(finish, Number(seconds) * 1000);
client.on("error", (error) => events.push(String(error)));
const torrent = client.add(torrentPath!, { path: directory! });
torrent.on("warning", (warning) => events.push(String(warning)));
torrent.on("done", finish);

function finish(): void {
  clearTimeout(timer);
  console.log(JSON.stringify({ isComplete: torrent.done, payloadBytes: torrent.downloaded, events }));
  client.destroy(() => process.exit());
}
