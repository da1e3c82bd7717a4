export interface TapSummary {
  /** Reads one line of tap's output. @returns the lines to print at once */
  line(text: string): string[];
  /** One line per package, then the slowest files. */
  report(): string[];
  counts(): { passed: number; failed: number };
}

interface FileResult {
  name: string;
  assertions: number;
  seconds: number;
  failed: boolean;
}

const SLOWEST_FILES = 10;
const FILE_RESULT = /^(not )?ok \d+ - (.*?)( # time=([\d.]+)ms)?( \{)?$/;
// Why a file failed without a failed assertion: its exit code, a signal, or the time limit.
const CAUSE = /^ {2}(exitCode|signal|expired): (?!null)/;
const PASSING = /^\s*(ok \d+|\d+\.\.\d+$|# Subtest|# time=)/;
const SKIPPED = /^\s+(?:not )?ok \d+ - (.*?) # SKIP (.*?)(?: # time=.*)?$/i;
const RESULT_LINE = /^(\s+)(?:not )?ok \d+/;

/** The workspace package of a test file, or its folder under `test/`. */
function packageOf(file: string): string {
  const [root = '', folder = ''] = file.split('/');
  return folder === '' || folder.endsWith('.test.ts') ? root : `${root}/${folder}`;
}

/** Counts leaves only: the result line of a subtest follows the deeper lines of its own. */
function countAssertions(lines: readonly string[]): number {
  let assertions = 0;
  let previousDepth = 0;
  for (const line of lines) {
    const depth = RESULT_LINE.exec(line)?.[1]?.length;
    if (depth === undefined) continue;
    if (depth >= previousDepth) assertions += 1;
    previousDepth = depth;
  }
  return assertions;
}

function reportPackages(files: readonly FileResult[]): string[] {
  const packages = Map.groupBy(files, ({ name }) => packageOf(name));
  return [...packages]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, results]) => {
      const sum = (value: (file: FileResult) => number) =>
        results.reduce((total, file) => total + value(file), 0);
      const failed = sum((file) => Number(file.failed));
      return [
        name.padEnd(24),
        `${sum(() => 1)} files`.padStart(9),
        `${sum((file) => file.assertions)} assertions`.padStart(17),
        `${sum((file) => file.seconds).toFixed(1)} s`.padStart(9),
        failed > 0 ? `  ${failed} FAILED` : '',
      ].join('');
    });
}

/** A skipped test passes, so its reason is shown beside its file. */
const skippedTests = (lines: readonly string[]): string[] =>
  lines.flatMap((line) => {
    const [, title, reason] = SKIPPED.exec(line) ?? [];
    return title === undefined ? [] : [`  SKIPPED ${title}: ${reason}`];
  });

/** Prints one line for a passed file, and all but the passing assertions of a failed one. */
export function summarizeTap(): TapSummary {
  let lines: string[] = [];
  let failing = false;
  const files: FileResult[] = [];
  let totals = '';
  const count = (name: string): number =>
    Number(new RegExp(`${name}: (\\d+)`).exec(totals)?.[1] ?? 0);
  return {
    line(text) {
      if (text.startsWith('# { total: ')) totals = text;
      const result = FILE_RESULT.exec(text);
      if (!result) {
        if (failing && CAUSE.test(text)) return [`  ${text}`];
        if (text === '  ...') failing = false;
        if (text !== '' && text !== 'TAP version 14') lines.push(text);
        return [];
      }
      const [, notOk, name = '', , milliseconds] = result;
      failing = notOk !== undefined;
      const seconds = Number(milliseconds ?? 0) / 1_000;
      files.push({ name, seconds, failed: failing, assertions: countAssertions(lines) });
      const details = failing ? lines.filter((one) => one.trim() !== '' && !PASSING.test(one)) : [];
      const skipped = skippedTests(lines);
      lines = [];
      const time = milliseconds ? ` (${seconds.toFixed(1)} s)` : '';
      return [`${failing ? 'FAILED' : 'ok    '} ${name}${time}`, ...skipped, ...details];
    },
    report() {
      if (files.length < 2) return [];
      const slowest = files.toSorted((a, b) => b.seconds - a.seconds).slice(0, SLOWEST_FILES);
      return [
        '',
        ...reportPackages(files),
        '',
        'slowest files:',
        ...slowest.map(({ name, seconds }) => `${`${seconds.toFixed(1)} s`.padStart(9)}  ${name}`),
        '',
      ];
    },
    counts: () => ({ passed: count('pass'), failed: count('fail') }),
  };
}
