import { indexes, type Finding } from './findings.ts';

/** Consecutive lines that cover the leaves [from, to). */
export interface Run {
  from: number;
  to: number;
  /** The first line, from 1. */
  line: number;
}

interface Range {
  from: number;
  to: number;
}

/** Leaves below `size` that no run covers, and those that more than one run covers. */
function coverage(runs: readonly Run[], size: number): { missing: Range[]; doubled: Run[] } {
  const missing: Range[] = [];
  const doubled: Run[] = [];
  let covered = 0;
  for (const { from, to, line } of runs.toSorted((a, b) => a.from - b.from || a.line - b.line)) {
    if (from > covered) missing.push({ from: covered, to: from });
    if (from < covered) doubled.push({ from, to: Math.min(to, covered), line });
    covered = Math.max(covered, to);
  }
  if (covered < size) missing.push({ from: covered, to: size });
  return { missing, doubled };
}

/** Findings for runs that cover everything once, but not in order. */
function disorder(runs: readonly Run[]): Finding[] {
  const sorted = runs.toSorted((a, b) => a.from - b.from);
  const displaced = runs.flatMap((run, at) => (sorted[at] === run ? [] : [at]));
  const findings: Finding[] = [];
  for (const at of displaced) {
    const run = runs[at] as Run;
    const other = sorted[at] as Run;
    const otherAt = runs.indexOf(other);
    const areSwapped = sorted[otherAt] === run;
    if (!areSwapped)
      findings.push({
        code: 'out_of_order',
        line: run.line,
        index: run.from,
        message:
          `out of order: ${indexes(run.from, run.to)} stands where ` +
          `${indexes(other.from, other.to)} belongs`,
      });
    else if (run.from > other.from) {
      findings.push({
        code: 'rows_swapped',
        line: run.line,
        index: other.from,
        message:
          `swapped: ${indexes(other.from, other.to)} and ` +
          `${indexes(run.from, run.to)} (line ${other.line}) have changed places`,
      });
    }
  }
  return findings;
}

/**
 * Says what of [0, size) is missing, doubled or out of order.
 * @param runs in the order of the file
 */
export function orderFindings(runs: readonly Run[], size: number): Finding[] {
  const { missing, doubled } = coverage(runs, size);
  if (missing.length === 0 && doubled.length === 0) return disorder(runs);
  return [
    ...doubled.map(({ from, to, line }): Finding => ({
      code: 'row_doubled',
      line,
      index: from,
      message: `doubled: ${indexes(from, to)} was there before`,
    })),
    ...missing.map(({ from, to }): Finding =>
      to === size
        ? {
            code: 'cut_at_end',
            index: from,
            message: `cut at the end: ${indexes(from, to)} missing`,
          }
        : { code: 'rows_missing', index: from, message: `missing: ${indexes(from, to)}` },
    ),
  ];
}
