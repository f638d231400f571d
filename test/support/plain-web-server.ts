import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./free-port.ts";

/** A web server that gives out a directory by name, as nginx does; and nginx itself where it is installed. */
export interface PlainWebServer extends AsyncDisposable {
  /** Without a slash at the end. */
  readonly url: string;
}

/** @param root may come to be later */
export async function servePlainly(root: string): Promise<PlainWebServer> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const scratch = mkdtempSync(join(tmpdir(), "prsync-nginx-"));
  writeFileSync(join(scratch, "nginx.conf"), nginxConfig(scratch, root, port));
  const nginx = spawn("nginx", ["-p", scratch, "-c", join(scratch, "nginx.conf")], { stdio: "ignore" });
  const isThere = await Promise.race([answers(url, nginx), once(nginx, "error").then(() => false)]);
  const server = isThere ? undefined : await serveByName(root, port);
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      server?.closeAllConnections();
      server?.close();
      if (isThere) await stopped(nginx);
      rmSync(scratch, { recursive: true });
    },
  };
}

function nginxConfig(scratch: string, root: string, port: number): string {
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${scratch};`);
  return `
daemon off;
master_process off;
pid ${scratch}/nginx.pid;
error_log ${scratch}/error.log;
events { worker_connections 512; }
http { access_log off; ${paths.join(" ")} server { listen 127.0.0.1:${port}; root ${root}; } }
`;
}

/** False once it has ended. */
async function answers(url: string, child: ChildProcess): Promise<boolean> {
  while (child.exitCode === null) {
    const isThere = await fetch(url).then(
      () => true,
      () => false,
    );
    if (isThere) return true;
    await sleep(50);
  }
  return false;
}

async function stopped(child: ChildProcess): Promise<void> {
  child.kill();
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

async function serveByName(root: string, port: number): Promise<Server> {
  const server = createServer((request, response) => {
    const path = join(root, decodeURIComponent(request.url!.split("?")[0]!));
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size === undefined) return void response.writeHead(404).end();
    response.writeHead(200, { "Content-Length": size });
    createReadStream(path).pipe(response);
  }).listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}
