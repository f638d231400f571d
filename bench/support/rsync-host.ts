import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestHost } from "../../test/support/network.ts";
import { run } from "../../test/support/program.ts";

const PORT = 8730;
const ATTEMPTS = 100;

/** An rsync daemon on a host, which exports one directory read only. */
export class RsyncHost implements AsyncDisposable {
  /** `rsync://…/tree/` */
  readonly url: string;
  readonly #daemon: ChildProcess;

  private constructor(url: string, daemon: ChildProcess) {
    this.url = url;
    this.#daemon = daemon;
  }

  /** @param directory where its configuration may lie @throws Error if it does not answer within 10 s */
  static async start(host: Pick<TestHost, "address" | "enter">, tree: string, directory: string): Promise<RsyncHost> {
    const config = join(directory, "rsyncd.conf");
    writeFileSync(config, `use chroot = no\nuid = root\ngid = root\n[tree]\npath = ${tree}\nread only = yes\n`);
    const daemon = ["rsync", "--daemon", "--no-detach", `--address=${host.address}`, `--port=${PORT}`];
    const [command, ...rest] = [...host.enter, ...daemon, `--config=${config}`];
    const started = new RsyncHost(`rsync://${host.address}:${PORT}/tree/`, spawn(command, rest, { stdio: "ignore" }));
    for (let attempt = 1; ; attempt++) {
      try {
        await run("rsync", [`rsync://${host.address}:${PORT}/`], { enter: host.enter });
        return started;
      } catch (error) {
        if (attempt === ATTEMPTS) throw error;
        await new Promise((wake) => setTimeout(wake, 100));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#daemon.kill("SIGTERM");
    await once(this.#daemon, "exit");
  }
}
