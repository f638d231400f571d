import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { closeSync, linkSync, mkdirSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseContentId } from "../../src/core/content-id.ts";
import { repoPathFromText } from "../../src/core/repo-path.ts";
import { buildInfoDictionary, buildTorrent } from "../../src/manifest/torrent.ts";
import { FreshDisk } from "./fresh-disk.ts";
import { LinkProcess } from "./link-process.ts";
import { measureSuccess } from "./report.ts";
import { freePort } from "../../test/support/free-port.ts";

/** One file to be moved, and the bundle around it. */
export interface LinkTask {
  /** The file lies below it as link/data. */
  readonly directory: string;
  readonly file: string;
  readonly lengthBytes: number;
  readonly info: string;
  readonly torrent: string;
}

/** Wall seconds of the transfer with hashing and writing; CPU seconds of both ends in that time. */
export interface LinkRun {
  readonly wallSeconds: number;
  readonly senderCpuSeconds: number;
  readonly receiverCpuSeconds: number;
}

export type LinkTool = (task: LinkTask) => Promise<LinkRun>;

/** Directory of the file in the torrent. */
export const BUNDLE_NAME = "link";
const SWARM_LINK = new URL("swarm-link.ts", import.meta.url).pathname;
const LIBTORRENT_LINK = new URL("libtorrent-link.py", import.meta.url).pathname;
const WEBTORRENT_LINK = new URL("webtorrent-link.ts", import.meta.url).pathname;

/** Hashes the file and writes info dictionary and torrent beside it. */
export function prepareTask(directory: string, source: string, pieceLength: number): LinkTask {
  const file = join(directory, BUNDLE_NAME, "data");
  mkdirSync(join(directory, BUNDLE_NAME), { recursive: true });
  linkSync(source, file);
  const { content, pieceHashes, lengthBytes } = hashFile(source, pieceLength);
  const info = buildInfoDictionary({
    name: BUNDLE_NAME,
    pieceLength,
    files: [{ path: repoPathFromText("data"), content: parseContentId(content), lengthBytes }],
    pieceHashes,
  });
  const task = {
    directory,
    file,
    lengthBytes,
    info: join(directory, "info"),
    torrent: join(directory, "link.torrent"),
  };
  writeFileSync(task.info, info);
  writeFileSync(task.torrent, buildTorrent(info, "http://127.0.0.1:9/announce"));
  return task;
}

function hashFile(
  path: string,
  pieceLength: number,
): { readonly content: string; readonly pieceHashes: Buffer; readonly lengthBytes: number } {
  const sha256 = createHash("sha256");
  const hashes: Buffer[] = [];
  const piece = Buffer.alloc(pieceLength);
  const descriptor = openSync(path, "r");
  let lengthBytes = 0;
  for (let length; (length = readSync(descriptor, piece, 0, pieceLength, null)) > 0; lengthBytes += length) {
    sha256.update(piece.subarray(0, length));
    hashes.push(createHash("sha1").update(piece.fill(0, length)).digest());
  }
  closeSync(descriptor);
  return { content: sha256.digest("hex"), pieceHashes: Buffer.concat(hashes), lengthBytes };
}

/** Our swarm node, an origin and a volunteer, with real passes and the mirror's own storage. */
export const prsyncLink: LinkTool = async (task) => {
  await using seed = new LinkProcess(process.execPath, [SWARM_LINK, "seed", task.file, task.info]);
  const { port } = await seed.next<{ port: number }>();
  using disk = FreshDisk.make(task.lengthBytes);
  await using fetcher = new LinkProcess(process.execPath, [SWARM_LINK, "fetch", disk.path, task.info, String(port)]);
  const received = await fetcher.next<Measured & { readonly file: string }>();
  const sent = await seed.stop<Measured>();
  assertSame(task.file, join(disk.path, received.file));
  return runOf(received, sent.cpuSeconds);
};

/** libtorrent's seed and downloader. @param python a Python that has it */
export function libtorrentLink(python: string): LinkTool {
  return stockLink([python, LIBTORRENT_LINK]);
}

/** webtorrent's seed and downloader. */
export const webtorrentLink: LinkTool = stockLink([process.execPath, WEBTORRENT_LINK]);

/** A stock client's seed and downloader; both speak swarm-link.ts's lines. */
function stockLink([command, script]: readonly [string, string]): LinkTool {
  return async (task) => {
    await using seed = new LinkProcess(command, [script, "seed", task.directory, task.torrent]);
    const { port } = await seed.next<{ port: number }>();
    using disk = FreshDisk.make(task.lengthBytes);
    await using fetcher = new LinkProcess(command, [script, "fetch", disk.path, task.torrent, String(port)]);
    const received = await fetcher.next<Measured>();
    const sent = await seed.stop<Measured>();
    assertSame(task.file, join(disk.path, BUNDLE_NAME, "data"));
    return runOf(received, sent.cpuSeconds);
  };
}

/** The whole file from an rsync daemon into an empty directory. */
export const rsyncLink: LinkTool = async (task) => {
  const port = await freePort();
  const config = join(task.directory, "rsyncd.conf");
  writeFileSync(config, `use chroot = no\n[link]\npath = ${join(task.directory, BUNDLE_NAME)}\nread only = yes\n`);
  const words = ["--daemon", "--no-detach", "--address=127.0.0.1", `--port=${port}`, `--config=${config}`];
  const daemon = spawn("rsync", words, { stdio: "ignore" });
  try {
    await reachable(port);
    using disk = FreshDisk.make(task.lengthBytes);
    const before = cpuSecondsOf(daemon.pid!);
    const url = `rsync://127.0.0.1:${port}/link/data`;
    const { wallSeconds, cpuSeconds } = await measureSuccess("rsync", ["-a", "--whole-file", url, `${disk.path}/`]);
    await sleep(100); // until the daemon has reaped the process that served us
    assertSame(task.file, join(disk.path, "data"));
    return runOf({ wallSeconds, cpuSeconds }, cpuSecondsOf(daemon.pid!) - before);
  } finally {
    daemon.kill("SIGTERM");
    await once(daemon, "exit");
    rmSync(config);
  }
};

/** First of the usual Pythons that can import libtorrent, and its version. */
export function findLibtorrent(): { readonly python: string; readonly version: string } | undefined {
  for (const python of ["python3", "/usr/bin/python3"]) {
    try {
      const words = ["-c", "import libtorrent; print(libtorrent.version)"];
      return {
        python,
        version: execFileSync(python, words, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim(),
      };
    } catch {
      continue; // not this one
    }
  }
  return undefined;
}

interface Measured {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
}

function runOf({ wallSeconds, cpuSeconds }: Measured, senderCpuSeconds: number): LinkRun {
  return { wallSeconds, senderCpuSeconds, receiverCpuSeconds: cpuSeconds };
}

/** @throws Error unless both files are byte for byte the same */
export function assertSame(source: string, received: string): void {
  execFileSync("cmp", [source, received], { stdio: ["ignore", "ignore", "inherit"] });
}

/** User and system time of a process and the children it has reaped, to 10 ms (proc(5)). */
export function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / 100;
}

async function reachable(port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const socket = connect(port, "127.0.0.1");
    try {
      await once(socket, "connect");
      return;
    } catch {
      await sleep(50);
    } finally {
      socket.destroy();
    }
  }
  throw new Error("the rsync daemon does not listen");
}
