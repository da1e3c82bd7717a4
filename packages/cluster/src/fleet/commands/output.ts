import { FleetError } from '../../errors.ts';

/** Prints why a command failed (a stack only where the cause is a fault of ours) and makes it exit with 1. */
export function reportFailure(command: string, error: unknown): void {
  if (error instanceof FleetError) console.error(`\n${command} failed: ${error.message}`);
  else console.error(`\n${command} failed:`, error);
  process.exitCode = 1;
}

/** Output that nobody reads any more (`make up | head`) must not end a command half way. */
export function outliveOutput(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
}
