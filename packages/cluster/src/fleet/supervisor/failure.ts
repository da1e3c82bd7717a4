import { FleetError } from '../../errors.ts';
import { lastLines } from './last-lines.ts';

const SHOWN_LINES = 15;

/** An error that shows the end of the log that explains it. */
export function failureOf(what: string, log: string): FleetError {
  const lines = lastLines(log, SHOWN_LINES);
  return new FleetError(
    lines.length === 0
      ? `${what}. It wrote nothing to ${log}.`
      : `${what}. The last lines of ${log}:\n${lines.map((line) => `  ${line}`).join('\n')}`,
  );
}
