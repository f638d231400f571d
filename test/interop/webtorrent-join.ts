// A stock client that stays: `node webtorrent-join.ts TORRENT DIRECTORY`. Joins the swarm of TORRENT through its tracker, prints
// "complete" once it has everything and gives to others until it is killed.
import WebTorrent from "webtorrent";

const [torrentPath, directory] = process.argv.slice(2);
// By default it tries uTP first, 45 s, and then calls by MSE alone; we speak plain BEP 3 over TCP.
const client = new WebTorrent({ dht: false, lsd: false, natUpnp: false, natPmp: false, utp: false, secure: 0 });
client.on("error", (error) => console.error(String(error)));
const torrent = client.add(torrentPath!, { path: directory! });
torrent.on("warning", (warning) => console.error(String(warning)));
torrent.on("done", () => console.log("complete"));
