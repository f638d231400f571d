import { createServer } from "node:net";

/** "::" where the machine has IPv6 (it takes IPv4 as well then), else "0.0.0.0". */
export function wildcardHost(): Promise<"::" | "0.0.0.0"> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve("0.0.0.0"));
    probe.listen(0, "::", () => probe.close(() => resolve("::")));
  });
}
