import { FleetError } from '../../errors.ts';

/** Prints why a command failed and sets exit code 1. Only unexpected errors get a stack. */
export function reportFailure(command: string, error: unknown): void {
  if (error instanceof FleetError) console.error(`\n${command} failed: ${error.message}`);
  else console.error(`\n${command} failed:`, error);
  process.exitCode = 1;
}

/** Keeps a closed pipe (`make up | head`) from ending a command half way. */
export function ignoreClosedOutput(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
}
