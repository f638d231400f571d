// Runs by itself: `node webtorrent-fetch.js TORRENT-URL DIRECTORY`. Fetches the largest file of the torrent with
// webtorrent, which finds its peers by the tracker that the .torrent names, and prints one line of JSON.
import { join } from "node:path";

interface File {
  readonly name: string;
  /** Below the directory that it was told, the torrent's own name first. */
  readonly path: string;
  readonly length: number;
  select(): void;
  on(event: "done", listener: () => void): void;
}

interface Torrent {
  readonly name: string;
  readonly files: readonly File[];
  on(event: "ready", listener: () => void): void;
  on(event: "error" | "warning", listener: (error: Error) => void): void;
}

interface Client {
  add(torrent: Uint8Array, options: Readonly<Record<string, unknown>>): Torrent;
  on(event: "error", listener: (error: Error) => void): void;
}

const TIMEOUT_MS = 30_000;

type ClientConstructor = new (options: Readonly<Record<string, unknown>>) => Client;

const [, , torrentUrl, directory] = process.argv;
if (torrentUrl === undefined || directory === undefined) throw new Error("expected TORRENT-URL DIRECTORY");

// By a variable: it has no types, and an installed package does not bring it.
const webtorrent: string = "webtorrent";
const { default: WebTorrent } = (await import(webtorrent)) as { readonly default: ClientConstructor };
const startMs = performance.now();
// The tracker alone tells of peers, and nothing leaves this machine. By default it would try uTP for 45 s and then call by
// MSE alone; plain BEP 3 over TCP is what is spoken here.
const quiet = { dht: false, lsd: false, utPex: false, natUpnp: false, natPmp: false };
const client = new WebTorrent({ ...quiet, utp: false, secure: 0 });
client.on("error", fail);
setTimeout(() => fail(new Error(`got no file within ${TIMEOUT_MS / 1000} s`)), TIMEOUT_MS);
const answer = await fetch(torrentUrl);
const torrent = client.add(await answer.bytes(), { path: directory, deselect: true });
torrent.on("error", fail);
torrent.on("warning", (warning) => console.error(warning.message));
torrent.on("ready", () => {
  const [largest] = torrent.files.toSorted((a, b) => b.length - a.length);
  if (largest === undefined) return fail(new Error("the torrent has no files"));
  largest.on("done", () => report(largest));
  largest.select();
});

function report(file: File): void {
  const path = file.path.slice(torrent.name.length + 1);
  const seconds = (performance.now() - startMs) / 1000;
  const line = JSON.stringify({ path, savedPath: join(directory!, file.path), lengthBytes: file.length, seconds });
  process.stdout.write(`${line}\n`, () => process.exit(0));
}

function fail(error: Error): void {
  console.error(error.message);
  process.exit(1);
}
