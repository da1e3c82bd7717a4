/** The part of a pino logger that the loops use. */
export interface LoopLogger {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}
