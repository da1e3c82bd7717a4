/** What a run of tap comes to, and what of its output a person wants to read. */
export interface TapSummary {
  /** Takes one line of the output; returns the lines to print now. */
  line(text: string): string[];
  counts(): { passed: number; failed: number };
  /** The files that failed so far. */
  failedFiles(): readonly string[];
}

const FILE_RESULT = /^(not )?ok \d+ - (.*?)( # time=([\d.]+)ms)?( \{)?$/;
// Why a file failed none of whose assertions did: it ended with a code, by a signal, or not in time.
const CAUSE = /^ {2}(exitCode|signal|expired): (?!null)/;
const PASSING = /^\s*(ok \d+|\d+\.\.\d+$|# Subtest|# time=)/;

/** One line per file that passed; of one that failed, everything but its passing assertions. A file's lines come together, its result last. */
export function summarizeTap(): TapSummary {
  let file: string[] = [];
  let failing = false;
  const failedFiles: string[] = [];
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
        if (text !== '' && text !== 'TAP version 14') file.push(text);
        return [];
      }
      const [, failed, name, , milliseconds] = result;
      const heading = `${failed ? 'FAILED' : 'ok    '} ${name}${milliseconds ? ` (${(Number(milliseconds) / 1_000).toFixed(1)} s)` : ''}`;
      failing = failed !== undefined;
      if (failing && name !== undefined) failedFiles.push(name);
      const story = failed ? file.filter((one) => one.trim() !== '' && !PASSING.test(one)) : [];
      file = [];
      return [heading, ...story];
    },
    counts: () => ({ passed: count('pass'), failed: count('fail') }),
    failedFiles: () => failedFiles,
  };
}
