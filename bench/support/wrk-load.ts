import { spawn } from "node:child_process";
import { collect } from "../../test/support/program.ts";

/** What a load of one kind came to. */
export interface LoadRun {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers that are neither 2xx nor 3xx, and failures of sockets. */
  readonly failures: number;
}

export interface LoadOptions {
  /** Without a slash at the end. */
  readonly url: string;
  /** Different paths that are asked for. */
  readonly contents: number;
  readonly connections: number;
  readonly seconds: number;
  /** Of a connection before each request, half as much to half as much again; 0: as quick as it goes. */
  readonly thinkMs: number;
  /** Core of the load. */
  readonly core: number;
}

const SCRIPT = new URL("redirect-paths.lua", import.meta.url).pathname;

/** One thread of wrk on a core of its own. @throws Error unless it ran to its end */
export async function wrkLoad({ url, contents, connections, seconds, thinkMs, core }: LoadOptions): Promise<LoadRun> {
  const words = ["-t", "1", "-c", String(connections), "-d", `${seconds}s`, "--latency", "-s", SCRIPT, url];
  const env = { ...process.env, CONTENTS: String(contents), THINK_MS: String(thinkMs) };
  const child = spawn("taskset", ["-c", String(core), "wrk", ...words], { env, stdio: ["ignore", "pipe", "pipe"] });
  const { code, stdout, stderr } = await collect(child);
  if (code !== 0) throw new Error(`wrk ended with ${code}: ${stdout}${stderr}`);
  const sockets = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout)?.slice(1) ?? [];
  const refused = /Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? "0";
  return {
    requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)![1]),
    p50Ms: percentileOf(stdout, 50),
    p99Ms: percentileOf(stdout, 99),
    failures: [refused, ...sockets].reduce((sum, count) => sum + Number(count), 0),
  };
}

const UNIT_MS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 };

function percentileOf(text: string, percent: number): number {
  const found = new RegExp(`^\\s+${percent}%\\s+([\\d.]+)(us|ms|s|m)\\s*$`, "m").exec(text);
  if (found === null) throw new Error(`expected percentiles of wrk, got: ${text}`);
  return Number(found[1]) * UNIT_MS[found[2]!]!;
}
