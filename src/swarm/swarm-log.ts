/** Where the swarm tells what it does; the shape of pino's methods. */
export interface SwarmLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}
