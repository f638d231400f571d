import { once } from "node:events";
import { randomInt } from "node:crypto";
import { Worker } from "node:worker_threads";
import { type FileColumns, FileTable } from "./file-table.ts";
import type { FileTableTask } from "./file-table-rows.ts";

/** Rows die young: a small nursery keeps the thread's memory small. */
const MAX_YOUNG_MEGABYTES = 8;

/**
 * Reads all files of the release that an index shows, in a thread of its own: some seconds per million.
 * Undefined if there is no release, one that is too large (`MAX_TABLED_FILES`), or nobody to read it for any more.
 *
 * @throws whatever the thread died of
 */
export async function readFileTable(workDirectory: string, signal: AbortSignal): Promise<FileTable | undefined> {
  const worker = startThread({ workDirectory, seed: randomInt(2 ** 32) });
  // A program that ends does not wait for it.
  worker.unref();
  // What it dies of after nobody waits for it any more is nobody's concern, and must not end the program.
  worker.on("error", () => undefined);
  try {
    const [columns] = (await once(worker, "message", { signal })) as [FileColumns | undefined];
    return columns && new FileTable(columns);
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  } finally {
    await worker.terminate();
  }
}

/** `.ts` where types are stripped in development, `.js` in dist. */
function startThread(workerData: FileTableTask): Worker {
  const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  const resourceLimits = { maxYoungGenerationSizeMb: MAX_YOUNG_MEGABYTES };
  return new Worker(new URL(`./file-table-thread${extension}`, import.meta.url), { workerData, resourceLimits });
}
