/** Where the mirror's stages tell what happens: fields first, values that fit on a line. */
export interface SyncLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}
