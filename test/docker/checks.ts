/** The findings of a run: each with a sentence, and details where it failed. */
export interface Checks {
  check(sentence: string, holds: boolean, details?: unknown): void;
  passed(): number;
  failed(): number;
}

const MAX_DETAILS = 1_500;

export function createChecks(report: (line: string) => void): Checks {
  let passed = 0;
  let failed = 0;
  return {
    check(sentence, holds, details) {
      if (holds) passed += 1;
      else failed += 1;
      report(`  ${holds ? 'ok    ' : 'NOT OK'} ${sentence}`);
      if (!holds && details !== undefined)
        report(`         ${JSON.stringify(details).slice(0, MAX_DETAILS)}`);
    },
    passed: () => passed,
    failed: () => failed,
  };
}
