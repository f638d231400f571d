import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isSystemError } from "../../src/core/errors.ts";
import type { TestHost } from "./network.ts";
import { sha256Of } from "./sample-tree.ts";

const INTEROP = resolve(import.meta.dirname, "../interop");
/** Debian's: only there are its bindings to libtorrent. */
export const DEBIAN_PYTHON = "/usr/bin/python3";

/** A BitTorrent client of others. */
export interface StockClientKind {
  readonly name: string;
  /** The Debian package, if it is missing; undefined if it is installed. */
  readonly missing: string | undefined;
  /** @param configuration a directory for whatever it wants to keep */
  readonly words: (torrent: string, directory: string, configuration: string) => readonly string[];
}

/** All of them with no way to find peers other than the tracker, else by their own defaults. */
export const STOCK_CLIENTS: readonly StockClientKind[] = [
  {
    name: "libtorrent",
    missing: runs(DEBIAN_PYTHON, ["-c", "import libtorrent"]) ? undefined : "python3-libtorrent",
    words: (torrent, directory) => [DEBIAN_PYTHON, join(INTEROP, "libtorrent-join.py"), torrent, directory],
  },
  {
    name: "Transmission",
    missing: runs("transmission-cli", ["--version"]) ? undefined : "transmission-cli",
    words: (torrent, directory, configuration) => {
      // By default it tries uTP first and waits for that for most of a minute; we speak plain BEP 3 over TCP.
      writeFileSync(join(configuration, "settings.json"), JSON.stringify({ "utp-enabled": false }));
      const alone = ["transmission-cli", "--config-dir", configuration, "--no-portmap"];
      return [...alone, "--download-dir", directory, torrent];
    },
  },
  {
    name: "aria2",
    missing: runs("aria2c", ["--version"]) ? undefined : "aria2",
    words: (torrent, directory) => [
      ...["aria2c", "--no-conf", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false"],
      ...["--seed-time=30", `--dir=${directory}`, torrent],
    ],
  },
  {
    name: "webtorrent",
    missing: undefined,
    words: (torrent, directory) => [process.execPath, join(INTEROP, "webtorrent-join.ts"), torrent, directory],
  },
];

/** A stock client that joins a swarm, fetches everything and gives until it is disposed of. */
export class StockClient implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #configuration: string;
  #log = "";

  constructor(kind: StockClientKind, host: TestHost, place: { readonly torrent: string; readonly directory: string }) {
    this.#directory = place.directory;
    this.#configuration = mkdtempSync(join(tmpdir(), "prsync-stock-client-"));
    const words = [...host.enter, ...kind.words(place.torrent, place.directory, this.#configuration)];
    this.#child = spawn(words[0]!, words.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream
        .setEncoding("utf8")
        .on("data", (text: string) => (this.#log = (this.#log + text.replace(/.*\r/g, "")).slice(-20_000)));
    }
  }

  /** @throws Error with what it printed unless its files have the hashes within the time */
  async waitForHashes(expected: readonly string[], timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!this.#hasHashes(expected)) {
      if (performance.now() > deadline || this.#child.exitCode !== null) {
        throw new Error(`not complete: ended with ${this.#child.exitCode}\n${this.#log}`);
      }
      await sleep(200);
    }
  }

  #hasHashes(expected: readonly string[]): boolean {
    try {
      return hashesBelow(this.#directory).join() === expected.join();
    } catch (error) {
      // A file got its final name meanwhile.
      if (isSystemError(error, "ENOENT")) return false;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill("SIGKILL");
      await once(this.#child, "exit");
    }
    rmSync(this.#configuration, { recursive: true });
  }
}

/**
 * SHA-256 of every file, in order; without the zeros between contents, which some clients write to files (BEP 47), and
 * without what clients note beside them.
 */
export function hashesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.endsWith("/.pad") && !entry.name.endsWith(".aria2"))
    .map((entry) => sha256Of(readFileSync(join(entry.parentPath, entry.name))))
    .sort();
}

function runs(command: string, words: readonly string[]): boolean {
  try {
    execFileSync(command, words, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
