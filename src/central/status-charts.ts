import type { HourOfTraffic } from "./hourly-traffic.ts";

const WIDTH = 480;
const HEIGHT = 90;
/** More points than these can't be told apart. */
const MAX_POINTS = 120;

/** A step for each volunteer that came to hold the release, over the time since it was made. Numbers only: nothing to escape. */
export function renderSpreadCurve(afterMs: readonly number[], volunteers: number): string {
  const spanMs = Math.max(1, afterMs.at(-1) ?? 1);
  const most = Math.max(1, volunteers, afterMs.length);
  const stride = Math.ceil(Math.max(1, afterMs.length / MAX_POINTS));
  const points = afterMs.flatMap((ms, index) => {
    if (index % stride !== 0 && index !== afterMs.length - 1) return [];
    return [`L${place(Math.max(0, ms) / spanMs, WIDTH)} ${place(1 - (index + 1) / most, HEIGHT)}`];
  });
  const path = `M0 ${HEIGHT}${points.join("")}`;
  return svg(`<path d="${path}" fill="none" stroke="#06c" stroke-width="2"/>`, "volunteers that hold it, over time");
}

/** A bar per hour: sent to volunteers on top of answered by central itself. */
export function renderHours(hours: readonly HourOfTraffic[]): string {
  const most = Math.max(1, ...hours.map(({ customerRequests }) => customerRequests));
  const width = WIDTH / Math.max(1, hours.length);
  const bars = hours.map(({ customerRequests, customerRedirects }, index) => {
    const bar = (from: number, to: number, fill: string): string =>
      `<rect x="${place(index, width)}" y="${place(1 - to / most, HEIGHT)}" width="${place(0.8, width)}" ` +
      `height="${place((to - from) / most, HEIGHT)}" fill="${fill}"/>`;
    const ownRequests = Math.max(0, customerRequests - customerRedirects);
    return bar(0, ownRequests, "#c60") + bar(ownRequests, customerRequests, "#06c");
  });
  return svg(bars.join(""), "customers' requests by hour");
}

function svg(content: string, title: string): string {
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img"><title>${title}</title>${content}</svg>`;
}

function place(share: number, of: number): string {
  return (share * of).toFixed(1);
}
