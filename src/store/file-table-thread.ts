import { getPriority, setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { readFileColumns, type FileTableTask } from "./file-table-rows.ts";

/** Requests are answered meanwhile, maybe on the only core. On Linux this is the thread's own; elsewhere it would be the whole program's. */
const NICE = 10;
try {
  if (process.platform === "linux" && getPriority() < NICE) setPriority(NICE);
} catch {
  // A courtesy, and where it is refused the files are read all the same.
}

const columns = readFileColumns(workerData as FileTableTask);
const memory =
  columns === undefined
    ? []
    : Object.values(columns).flatMap((column: unknown) => (ArrayBuffer.isView(column) ? [column.buffer] : []));
parentPort?.postMessage(columns, memory as ArrayBuffer[]);
