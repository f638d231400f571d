import type { MirrorDisk } from "../harness/fault-bed.ts";
import type { FaultPlay, FaultRow } from "../harness/fault-row.ts";
import type { CallName, Injection } from "../harness/injection.ts";
import { FILLED_DISK_PLAYS } from "./small-disks.ts";
import { playUntilFired, spread } from "./kill-sync.ts";

/** Disk; or some paths failed and the others were done; or nothing that mattered failed. */
const DISK_CODES: readonly (number | string)[] = [0, 11, 23];
/** Before DEST and state could be opened at all, too. */
const ANY_PATH_CODES: readonly (number | string)[] = [...DISK_CODES, 3];

interface ErrorPlay {
  readonly error: string;
  readonly call: CallName;
  readonly fractions: readonly number[];
  /** It stays so from then on, as a full disk does. */
  readonly isLasting?: boolean;
  readonly codes?: readonly (number | string)[];
}

function errors({ error, call, fractions, isLasting = false, codes = DISK_CODES }: ErrorPlay): FaultPlay[] {
  return fractions.map((fraction) => ({
    name: `${error} in ${call} at ${fraction.toFixed(3)}${isLasting ? " and from then on" : ""}`,
    kind: "error",
    play: (bed, lane) =>
      playUntilFired(bed, { call, fraction, lane }, (mirror, number) => {
        const when = `${number}${isLasting ? "+" : ""}`;
        return syncWithError(mirror, { call, effect: `error=${error}`, when }, codes);
      }),
  }));
}

async function syncWithError(
  mirror: MirrorDisk,
  injection: Injection,
  codes: readonly (number | string)[],
): Promise<{ fired: number; problems: string[] }> {
  const { code, stderr, fired } = await mirror.syncInjected(injection);
  const isTold = code === 0 || /^prsync error: /m.test(stderr);
  return {
    fired,
    problems: [
      ...(codes.includes(code) ? [] : [`ended with ${code}: ${stderr.trim()}`]),
      ...(isTold ? [] : ["did not tell what failed"]),
      ...mirror.findDamage(),
      ...(await mirror.finish()),
    ],
  };
}

export const DISK_ERROR_ROWS: readonly FaultRow[] = [
  {
    id: "S15",
    fault: "fsync returns EIO",
    plays: errors({ error: "EIO", call: "fsync", fractions: spread(12) }),
  },
  {
    id: "S16",
    fault: "write returns EIO, or EUCLEAN of a damaged file system",
    plays: [
      ...errors({ error: "EUCLEAN", call: "write", fractions: spread(2), isLasting: true }),
      ...errors({ error: "EIO", call: "write", fractions: spread(8) }),
      ...errors({ error: "EIO", call: "write", fractions: spread(4), isLasting: true }),
    ],
  },
  {
    id: "S18",
    fault: "ENOSPC in write, mkdir, rename, link, fsync",
    plays: [
      ...FILLED_DISK_PLAYS,
      ...errors({ error: "ENOSPC", call: "write", fractions: spread(8), isLasting: true }),
      ...errors({ error: "ENOSPC", call: "mkdir", fractions: spread(3) }),
      ...errors({ error: "ENOSPC", call: "rename", fractions: spread(6), isLasting: true }),
      ...errors({ error: "ENOSPC", call: "link", fractions: spread(2) }),
      ...errors({ error: "ENOSPC", call: "symlink", fractions: [0] }),
      ...errors({ error: "ENOSPC", call: "fsync", fractions: spread(5) }),
    ],
  },
  {
    id: "S21",
    fault: "EDQUOT",
    plays: [
      ...errors({ error: "EDQUOT", call: "write", fractions: spread(5), isLasting: true }),
      ...errors({ error: "EDQUOT", call: "rename", fractions: spread(3), isLasting: true }),
    ],
  },
  {
    id: "S32",
    fault: "a file read from the page cache whose write-back failed",
    plays: errors({ error: "EIO", call: "fsync", fractions: spread(5, 0.2, 0.6), isLasting: true }),
  },
  {
    id: "S26",
    fault: "EMLINK: a file has as many names as it may have",
    plays: errors({ error: "EMLINK", call: "link", fractions: spread(2), isLasting: true, codes: [0] }),
  },
  {
    id: "S23",
    fault: "EACCES and EPERM on files and directories",
    plays: [
      ...errors({ error: "EACCES", call: "rename", fractions: spread(5, 0.3), codes: ANY_PATH_CODES }),
      ...errors({ error: "EPERM", call: "unlink", fractions: spread(3), codes: ANY_PATH_CODES }),
      ...errors({ error: "EACCES", call: "open", fractions: spread(8), codes: ANY_PATH_CODES }),
      ...errors({ error: "EPERM", call: "chmod", fractions: spread(4), codes: ANY_PATH_CODES }),
    ],
  },
];
