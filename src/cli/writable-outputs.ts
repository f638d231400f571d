import { access, constants, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { isSystemError, messageOf } from "../core/errors.ts";
import { type ParsedArguments, UsageError } from "./arguments.ts";

/**
 * Looks, before hours of work, whether the files that options name can be written in the end. Creates none.
 * @throws UsageError naming all that can't
 */
export async function assertWritable(args: ParsedArguments, options: readonly string[]): Promise<void> {
  const problems: string[] = [];
  for (const option of options) {
    const path = args.text(option);
    const problem = path === undefined ? undefined : await problemOf(path);
    if (problem !== undefined) problems.push(`--${option}: ${problem}`);
  }
  if (problems.length > 0) throw new UsageError(problems);
}

async function problemOf(path: string): Promise<string | undefined> {
  try {
    const isDirectory = await stat(path).then((found) => found.isDirectory(), whenMissing);
    if (isDirectory === true) return `"${path}" is a directory`;
    await access(isDirectory === undefined ? dirname(resolve(path)) : path, constants.W_OK);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function whenMissing(error: unknown): undefined {
  if (!isSystemError(error, "ENOENT")) throw error;
}
