import { stat } from "node:fs/promises";
import { addAbortSignal } from "node:stream";
import { firstLogTime } from "../analyze/first-log-time.ts";
import { readLog, readLogStream, type LogSource } from "../store/log-source.ts";

/** Names standard input where a log is expected. */
const STANDARD_INPUT = "-";

/**
 * A shell gives access.log, access.log.1, access.log.2.gz: newest first. What has no time comes last, and so do standard input and
 * pipes, which can be read but once. @throws what the system says of a log that can't be read
 */
export async function logsInOrder(paths: readonly string[]): Promise<string[]> {
  const timed: { readonly path: string; readonly time: number }[] = [];
  for (const path of paths) timed.push({ path, time: (await firstTimeOf(path)) ?? Infinity });
  return timed.sort((a, b) => (a.time === b.time ? 0 : a.time - b.time)).map(({ path }) => path);
}

/** The first chunk alone is looked at. */
async function firstTimeOf(path: string): Promise<number | undefined> {
  if (path === STANDARD_INPUT) return undefined;
  const status = await stat(path);
  // That a directory is none is told by reading it.
  if (!status.isFile() && !status.isDirectory()) return undefined;
  for await (const chunk of readLog(path)) return firstLogTime(chunk);
  return undefined;
}

/** A log named on the command line. The signal ends waiting for standard input, too. */
export function openLog(path: string, signal: AbortSignal): LogSource {
  return path === STANDARD_INPUT ? readLogStream(addAbortSignal(signal, process.stdin)) : readLog(path);
}
