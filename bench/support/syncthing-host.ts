import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestHost } from "../../test/support/network.ts";
import { run } from "../../test/support/program.ts";

const GUI = "127.0.0.1:8384";
const POLL_MS = 5000;

/** A Syncthing that shares one directory with nobody: no rescans, no watcher, no calls to the internet. */
export class SyncthingHost implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #host: Pick<TestHost, "enter">;
  readonly #key: string;

  private constructor(host: Pick<TestHost, "enter">, home: string, key: string) {
    const words = ["syncthing", "serve", `--home=${home}`, "--no-browser", "--no-upgrade"];
    const [command, ...rest] = [...host.enter, ...words];
    // `ip netns exec` becomes the program itself.
    this.child = spawn(command!, rest, { stdio: "ignore" });
    this.#host = host;
    this.#key = key;
  }

  /** @param home for its configuration and database; made if it isn't there */
  static async start(host: Pick<TestHost, "enter">, tree: string, home: string): Promise<SyncthingHost> {
    const file = join(home, "config.xml");
    await run("syncthing", ["generate", `--home=${home}`]);
    const config = readFileSync(file, "utf8")
      .replace(/(<folder id="default"[^>]* path=")[^"]*/, `$1${tree}`)
      .replace(/rescanIntervalS="\d+" fsWatcherEnabled="true"/, 'rescanIntervalS="0" fsWatcherEnabled="false"')
      .replace(
        /<(globalAnnounceEnabled|localAnnounceEnabled|relaysEnabled|natEnabled|crashReportingEnabled)>true/g,
        "<$1>false",
      )
      .replace("<stunServer>default<", "<stunServer>127.0.0.1:1<");
    writeFileSync(file, config);
    const key = /<apikey>([^<]+)</.exec(config)![1]!;
    return new SyncthingHost(host, home, key);
  }

  /** Until it knows so many files and does nothing more. */
  async waitForFiles(files: number): Promise<void> {
    for (;;) {
      if (this.child.exitCode !== null) throw new Error(`syncthing ended with ${this.child.exitCode}`);
      const status = await this.#status().catch(() => undefined);
      if (status?.state === "idle" && status.localFiles >= files) return;
      await new Promise((wake) => setTimeout(wake, POLL_MS));
    }
  }

  async #status(): Promise<{ readonly state: string; readonly localFiles: number }> {
    const words = ["-sf", "-H", `X-API-Key: ${this.#key}`, `http://${GUI}/rest/db/status?folder=default`];
    return JSON.parse(await run("curl", words, { enter: this.#host.enter })) as { state: string; localFiles: number };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null) return;
    this.child.kill("SIGTERM");
    await once(this.child, "exit");
  }
}
