const BROWSERS: readonly (readonly [mark: RegExp, name: string])[] = [
  [/\bEdgA?\//, "Edge"],
  [/\bOPR\//, "Opera"],
  [/\bFirefox\//, "Firefox"],
  [/\bChrom(?:e|ium)\//, "Chrome"],
  [/\bSafari\//, "Safari"],
];
const ROBOT = /([\w.-]*(?:bot|crawler|spider|slurp)[\w.-]*)/i;
const MAX_NAME = 40;

/** The tool behind a User-Agent, without versions: "Debian APT-HTTP/1.3 (2.4.5)" → "Debian APT-HTTP", a browser by its name. */
export function clientToolOf(agent: string): string {
  if (agent === "" || agent === "-") return "(none)";
  if (agent.startsWith("Mozilla/")) {
    const robot = ROBOT.exec(agent)?.[1];
    if (robot !== undefined) return robot.slice(0, MAX_NAME);
    return BROWSERS.find(([mark]) => mark.test(agent))?.[1] ?? "Mozilla";
  }
  const product = /^[^/(;,]*/.exec(agent)![0].replace(/ v?\d[\d.]*.*$/, "");
  return product.trim().slice(0, MAX_NAME) || agent.slice(0, MAX_NAME);
}
