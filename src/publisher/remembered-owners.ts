import { join } from "node:path";
import { readFileIfExists, writeFileDurably } from "../store/durable-file.ts";
import type { PublishOptions } from "./publish-options.ts";

/** In the state directory, which outlives the index: releases must not lose their owners with that. */
const FILE_NAME = "owners";

/** Whether releases of this tree name users and groups: as asked, else as the publish before had it, at first not. */
export async function rememberOwners({
  stateDirectory,
  keepsOwners,
}: Pick<PublishOptions, "stateDirectory" | "keepsOwners">): Promise<boolean> {
  const path = join(stateDirectory, FILE_NAME);
  const before = (await readFileIfExists(path))?.toString("utf8").trim() === "kept";
  if (keepsOwners === undefined || keepsOwners === before) return before;
  await writeFileDurably(path, keepsOwners ? "kept\n" : "left out\n", { mode: 0o600 });
  return keepsOwners;
}
