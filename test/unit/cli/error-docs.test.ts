import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { CentralError } from "../../../src/central/errors.ts";
import { EXIT, EXIT_CODE_TABLES } from "../../../src/cli/exit-codes.ts";
import { UsageError } from "../../../src/cli/arguments.ts";
import { ConfigError } from "../../../src/cli/config/config-error.ts";
import { HookError } from "../../../src/cli/hook-error.ts";
import { LogReadingError } from "../../../src/cli/log-reading-error.ts";
import { CodecError } from "../../../src/codec/errors.ts";
import { CoreError } from "../../../src/core/errors.ts";
import { DeltaError } from "../../../src/delta/errors.ts";
import { SyncError } from "../../../src/edge/errors.ts";
import { FilterError } from "../../../src/filter/errors.ts";
import { ManifestError } from "../../../src/manifest/errors.ts";
import { NetError } from "../../../src/net/errors.ts";
import { PublisherError } from "../../../src/publisher/errors.ts";
import { StoreError } from "../../../src/store/errors.ts";
import { SwarmError } from "../../../src/swarm/errors.ts";
import { TrackerError } from "../../../src/tracker/errors.ts";
import { TrustError } from "../../../src/trust/errors.ts";

const FOLDERS = new Map<unknown, string>([
  [UsageError, "cli"],
  [ConfigError, "cli"],
  [HookError, "cli"],
  [LogReadingError, "cli"],
  [CentralError, "central"],
  [CodecError, "codec"],
  [CoreError, "core"],
  [DeltaError, "delta"],
  [SyncError, "edge"],
  [FilterError, "filter"],
  [ManifestError, "manifest"],
  [NetError, "net"],
  [PublisherError, "publisher"],
  [StoreError, "store"],
  [SwarmError, "swarm"],
  [TrackerError, "tracker"],
  [TrustError, "trust"],
]);

const text = readFileSync(resolve(import.meta.dirname, "../../../docs/errors.md"), "utf8");

test("docs/errors.md has each code of each folder once, with the exit code that it ends in", () => {
  const implemented = EXIT_CODE_TABLES.flatMap(({ of, codes }) =>
    Object.entries(codes).map(([code, exitCode]) => `${FOLDERS.get(of)} ${code} ${exitCode}`),
  );
  expect(documentedRows().sort()).toEqual(implemented.sort());
});

test("docs/errors.md has every exit code", () => {
  const listed = [...text.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
  expect(listed).toEqual(Object.values(EXIT));
});

/** "FOLDER CODE EXITCODE" of each row under a heading that ends in (`src/FOLDER`). */
function documentedRows(): string[] {
  return text.split(/^## /m).flatMap((section) => {
    const folder = /^.*\(`src\/(\w+)`\)/.exec(section)?.[1] ?? "";
    return [...section.matchAll(/^\| `([a-z-]+)` \| .+ \| .+ \| (\d+) \|$/gm)].map(
      ([, code, exitCode]) => `${folder} ${code} ${exitCode}`,
    );
  });
}
