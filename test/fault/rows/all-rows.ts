import type { FaultControl, FaultRow } from "../harness/fault-row.ts";
import { CLOCK_ROWS } from "./clock.ts";
import { CONCURRENT_ROWS } from "./concurrent.ts";
import { CONTROLS } from "./controls.ts";
import { DISK_ERROR_ROWS } from "./disk-errors.ts";
import { KILL_CENTRAL_ROWS } from "./kill-central.ts";
import { KILL_SYNC_ROWS } from "./kill-sync.ts";
import { MOUNT_ROWS } from "./mounts.ts";
import { NAME_ROWS } from "./names.ts";
import { OBJECT_ROWS } from "./objects.ts";
import { POWER_ROWS } from "./power.ts";
import { ROT_ROWS } from "./rot.ts";
import { SMALL_DISK_ROWS } from "./small-disks.ts";

export const FAULT_ROWS: readonly FaultRow[] = [
  ...KILL_SYNC_ROWS,
  ...KILL_CENTRAL_ROWS,
  ...POWER_ROWS,
  ...DISK_ERROR_ROWS,
  ...SMALL_DISK_ROWS,
  ...ROT_ROWS,
  ...CLOCK_ROWS,
  ...CONCURRENT_ROWS,
  ...MOUNT_ROWS,
  ...NAME_ROWS,
  ...OBJECT_ROWS,
].sort(byMatrix);

export const FAULT_CONTROLS: readonly FaultControl[] = CONTROLS;

/** S, C, F, as the matrix has them. */
function byMatrix(a: FaultRow, b: FaultRow): number {
  const order = "SCF";
  return order.indexOf(a.id[0]!) - order.indexOf(b.id[0]!) || (a.id < b.id ? -1 : 1);
}
