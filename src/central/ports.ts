import type { SigningKey } from "../trust/signing-key.ts";

/** Where `serve` tells what it does; the shape of pino's methods. Values are not escaped here. */
export interface ServeLog {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** The signed side of the repository as `serve` needs it (the publisher's `TufRepository`). */
export interface RepositoryAuthority {
  /** 32 hex digits. */
  readonly repositoryId: string;
  /** Signs passes. */
  readonly passSigner: SigningKey;
  /** Signs TUF metadata anew where due; warnings are lines for the operator. */
  renewIfDue(): Promise<{ readonly renewed: readonly string[]; readonly warnings: readonly string[] }>;
}
