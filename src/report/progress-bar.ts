import { formatByteSize } from "../core/byte-size.ts";

const WIDEST_BAR = 40;
const NARROWEST_BAR = 10;

/** One line for a terminal: bar, share, bytes, rate and time left; the bar goes where there is no room for it. @param columns of the terminal */
export function describeProgress(
  stage: string,
  transfer: { readonly doneBytes: number; readonly totalBytes: number; readonly bytesPerSecond: number },
  columns: number,
): string {
  const { doneBytes, totalBytes, bytesPerSecond } = transfer;
  const share = totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
  const figures = [
    `${String(Math.floor(share * 100)).padStart(3)} %`,
    `${formatByteSize(doneBytes)} of ${formatByteSize(totalBytes)}`,
    `${formatByteSize(bytesPerSecond)}/s`,
    `${timeLeft(totalBytes - doneBytes, bytesPerSecond)} left`,
  ].join("  ");
  // The last column stays free: some terminals go to the next line after it.
  const room = Math.min(WIDEST_BAR, columns - 1 - stage.length - figures.length - " [] ".length);
  if (room < NARROWEST_BAR) return `${stage} ${figures}`.slice(0, Math.max(0, columns - 1));
  const filled = Math.floor(share * room);
  return `${stage} [${"#".repeat(filled)}${"-".repeat(room - filled)}] ${figures}`;
}

/** "h:mm:ss" as rsync has it; unknown while nothing comes. */
function timeLeft(bytes: number, bytesPerSecond: number): string {
  const seconds = Math.ceil(Math.max(0, bytes) / bytesPerSecond);
  // 0 / 0 is done, something / 0 never ends.
  if (bytes <= 0) return "0:00:00";
  if (!Number.isFinite(seconds) || seconds >= 360_000) return "-:--:--";
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${Math.floor(seconds / 3_600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}
