import { parseArgs } from 'node:util';
import type { Verdict } from '../export/report.ts';
import { UsageError } from './inputs.ts';

/** What the command prints, and the code that it ends with. */
export interface Outcome {
  text: string;
  code: number;
}

const EXIT: Record<Verdict, number> = { proven: 0, refuted: 1, unreadable: 2, incomplete: 3 };

const SHARED = {
  key: { type: 'string' },
  checkpoint: { type: 'string' },
  consistency: { type: 'string' },
  json: { type: 'boolean' },
  'allow-incomplete': { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

/** @throws UsageError */
export function parseOptions<Own extends Record<string, { type: 'string' }>>(
  args: readonly string[],
  own: Own,
  usage: string,
) {
  try {
    const options = { ...SHARED, ...own };
    return parseArgs({ args: [...args], allowPositionals: true, options });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  }
}

interface OutputOptions {
  json?: boolean | undefined;
  'allow-incomplete'?: boolean | undefined;
}

/** A report as JSON or in words, with the code of its verdict. */
export function render(
  report: { verdict: Verdict },
  { json, 'allow-incomplete': allowIncomplete }: OutputOptions,
  describe: () => string,
): Outcome {
  const code = report.verdict === 'incomplete' && allowIncomplete ? 0 : EXIT[report.verdict];
  return { text: json ? `${JSON.stringify(report, null, 2)}\n` : describe(), code };
}
