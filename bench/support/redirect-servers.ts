import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { RunningProgram } from "../../test/support/program.ts";
import type { FilledRepository } from "./filled-repository.ts";
import { freePort } from "../../test/support/free-port.ts";

/** A server of redirects on one core. */
export interface RedirectServer extends AsyncDisposable {
  /** Without a slash at the end. */
  readonly url: string;
  readonly pid: number;
}

const LOCATION = `http://mirror-1.example.org/debian/package.deb?sha256=${"0".repeat(64)}`;

/** Ours, which is as quick as it gets once the files of the release are in its memory. */
export interface PrsyncServer extends RedirectServer {
  isWarm(): boolean;
}

/** `prsync serve` of a filled repository; nothing of an earlier run is remembered. */
export async function startPrsync(repository: FilledRepository, core: number): Promise<PrsyncServer> {
  const { tree, stateDirectory } = repository;
  rmSync(join(stateDirectory, "tracker.json"), { force: true });
  const words = ["serve", tree, "--state", stateDirectory, "--listen", "127.0.0.1:0", "--peer-port", "0"];
  // All load comes from one address: counted as always, refused never.
  words.push("--request-rate", "100000000");
  const program = await RunningProgram.start(words, { enter: onCore(core) });
  return {
    url: program.ready.http,
    pid: program.child.pid!,
    isWarm: () => program.log.includes("files of the release are in memory"),
    [Symbol.asyncDispose]: async () => void (await program.stop()),
  };
}

/** nginx with one worker and `return 302`. */
export async function startNginx(directory: string, core: number): Promise<RedirectServer> {
  const port = await freePort();
  mkdirSync(directory, { recursive: true });
  const file = join(directory, "nginx.conf");
  writeFileSync(file, nginxConfig(directory, port));
  return await started([...onCore(core), "nginx", "-p", directory, "-c", file], port);
}

/** node:http and nothing else: the same status and as many header fields as ours. */
export async function startBareNode(core: number): Promise<RedirectServer> {
  const port = await freePort();
  return await started([...onCore(core), process.execPath, "-e", BARE_NODE, String(port)], port);
}

/** node:net alone, which looks for the end of a request and answers with the same bytes each time: what no program on Node can beat. */
export async function startBareSocket(core: number): Promise<RedirectServer> {
  const port = await freePort();
  return await started([...onCore(core), process.execPath, "-e", BARE_SOCKET, String(port)], port);
}

const BARE_NODE = `
const headers = {
  Location: ${JSON.stringify(LOCATION)},
  Link: ${JSON.stringify(`<${LOCATION}>; rel=duplicate; pri=1`)},
  Digest: "SHA-256=" + Buffer.alloc(32).toString("base64"),
  "Cache-Control": "no-store",
  "Content-Length": "0",
};
require("node:http").createServer((_, response) => response.writeHead(302, headers).end()).listen(+process.argv[1], "127.0.0.1");
`;

const BARE_SOCKET = `
const lines = [
  "HTTP/1.1 302 Found",
  "Location: ${LOCATION}",
  "Link: <${LOCATION}>; rel=duplicate; pri=1",
  "Digest: SHA-256=" + Buffer.alloc(32).toString("base64"),
  "Cache-Control: no-store",
  "Date: " + new Date().toUTCString(),
  "Content-Length: 0",
];
const answer = lines.join("\\r\\n") + "\\r\\n\\r\\n";
const server = require("node:net").createServer({ noDelay: true }, (socket) => {
  socket.on("error", () => socket.destroy());
  socket.on("data", (bytes) => bytes.includes("\\r\\n\\r\\n") && socket.write(answer, "latin1"));
});
server.listen(+process.argv[1], "127.0.0.1");
`;

function nginxConfig(directory: string, port: number): string {
  return `
daemon off;
worker_processes 1;
master_process off;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log;
events { worker_connections 2048; }
http {
  access_log off;
  keepalive_requests 1000000;
  server { listen 127.0.0.1:${port}; location / { return 302 ${LOCATION}; } }
}
`;
}

function onCore(core: number): string[] {
  return ["taskset", "-c", String(core)];
}

async function started(words: readonly string[], port: number): Promise<RedirectServer> {
  const [command, ...rest] = words;
  const child = spawn(command!, rest, { stdio: ["ignore", "ignore", "inherit"] });
  const url = `http://127.0.0.1:${port}`;
  await untilItAnswers(url, child);
  return {
    url,
    pid: child.pid!,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    },
  };
}

async function untilItAnswers(url: string, child: ChildProcess): Promise<void> {
  for (;;) {
    const isThere = await fetch(url, { redirect: "manual" }).then(
      (answer) => answer.status === 302,
      () => false,
    );
    if (isThere) return;
    if (child.exitCode !== null) throw new Error(`${child.spawnargs.join(" ")} ended with ${child.exitCode}`);
    await sleep(50);
  }
}
