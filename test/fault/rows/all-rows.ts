import type { FaultControl, FaultRow } from "../harness/fault-row.ts";
import { CONTROLS } from "./controls.ts";
import { DISK_ERROR_ROWS } from "./disk-errors.ts";
import { KILL_SYNC_ROWS } from "./kill-sync.ts";
import { POWER_ROWS } from "./power.ts";

export const FAULT_ROWS: readonly FaultRow[] = [...KILL_SYNC_ROWS, ...POWER_ROWS, ...DISK_ERROR_ROWS].sort(byMatrix);

export const FAULT_CONTROLS: readonly FaultControl[] = CONTROLS;

/** S, C, F, as the matrix has them. */
function byMatrix(a: FaultRow, b: FaultRow): number {
  const order = "SCF";
  return order.indexOf(a.id[0]!) - order.indexOf(b.id[0]!) || (a.id < b.id ? -1 : 1);
}
