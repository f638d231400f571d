import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { freePort } from "./free-port.ts";

/** A real rsyncd on loopback that exports one directory, read only. */
export class RsyncDaemon implements AsyncDisposable {
  /** `rsync://…/tree/` */
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#child = child;
  }

  /** @param directory where its configuration may lie */
  static async start(tree: string, directory: string): Promise<RsyncDaemon> {
    const port = await freePort();
    const configuration = join(directory, "rsyncd.conf");
    // As root it would become nobody, who can't read files of mode 0700.
    const user = process.getuid?.() === 0 ? "uid = root\ngid = root\n" : "";
    writeFileSync(configuration, `use chroot = no\n${user}[tree]\npath = ${tree}\nread only = yes\n`);
    const words = ["--daemon", "--no-detach", `--config=${configuration}`, `--port=${port}`, "--address=127.0.0.1"];
    const child = spawn("rsync", words, { stdio: "ignore" });
    while (!(await isListening(port))) {
      if (child.exitCode !== null) throw new Error(`rsync --daemon ended with ${child.exitCode}`);
      await new Promise((wake) => setTimeout(wake, 50));
    }
    return new RsyncDaemon(`rsync://127.0.0.1:${port}/tree/`, child);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.kill("SIGTERM");
    await once(this.#child, "exit");
  }
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
