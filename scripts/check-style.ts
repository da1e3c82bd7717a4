/**
 * `node scripts/check-style.ts [--list] [FOLDER...]`: measures lines, functions and comments.
 * Prints totals and each broken rule; with --list also every place that counts against one.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { listFiles } from './checks/source-files.ts';
import { listLongFunctions, type LongFunction } from './checks/long-functions.ts';
import { countCommentWords, listLongLines } from './checks/text-measures.ts';

const ROOTS = ['packages', 'services', 'scripts', 'test', 'bench'];
const MAX_LONG_LINE_PERCENT = 1;
const MAX_COMMENT_WORDS = 12;
const MAX_FUNCTION_LINES = 100;
const LONG_FUNCTION_LINES = 60;
const MAX_LONG_FUNCTIONS = 9;
const MAX_FILE_LINES = 200;

export interface Style {
  files: number;
  lines: number;
  longLines: string[];
  longFiles: string[];
  /** Words of each comment. */
  comments: number[];
  /** Functions of the product and its tools, longest first. */
  functions: LongFunction[];
  /** Functions in test files: a test's callback is a list of steps, so these only warn. */
  testFunctions: LongFunction[];
}

/** Migrations are frozen, so their length is not held against anybody. */
const isFrozen = (file: string): boolean => file.includes('/migrations/');
const isTest = (file: string): boolean => /(^|\/)test\/.*$/.test(file) && file.endsWith('.test.ts');

export function measureStyle(root: string, folders = ROOTS): Style {
  const files = folders
    .flatMap((folder) => listFiles(root, folder))
    .filter((file) => file.endsWith('.ts'));
  const style: Style = {
    files: files.length,
    lines: 0,
    longLines: [],
    longFiles: [],
    comments: [],
    functions: [],
    testFunctions: [],
  };
  for (const file of files) {
    const text = readFileSync(join(root, file), 'utf8');
    const lines = text.split('\n').length - 1;
    style.lines += lines;
    style.longLines.push(...listLongLines(text).map((line) => `${file}:${line}`));
    style.comments.push(...countCommentWords(text));
    if (lines > MAX_FILE_LINES && !isFrozen(file)) style.longFiles.push(`${file}: ${lines} lines`);
  }
  for (const one of listLongFunctions(root, folders, LONG_FUNCTION_LINES)) {
    if (isFrozen(one.file)) continue;
    (isTest(one.file) ? style.testFunctions : style.functions).push(one);
  }
  return style;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2;
}

const longLinePercent = ({ longLines, lines }: Style): number =>
  (100 * longLines.length) / Math.max(1, lines);
const describe = ({ file, line, name, lines }: LongFunction): string =>
  `${file}:${line}: ${name} has ${lines} lines`;

/** Each broken rule as `what: what is wrong and what to do`. */
export function findViolations(style: Style): string[] {
  const violations = style.functions
    .filter(({ lines }) => lines > MAX_FUNCTION_LINES)
    .map((one) => `${describe(one)}, at most ${MAX_FUNCTION_LINES}; split it by meaning`);
  if (style.functions.length > MAX_LONG_FUNCTIONS)
    violations.push(
      `functions: ${style.functions.length} have over ${LONG_FUNCTION_LINES} lines, ` +
        `at most ${MAX_LONG_FUNCTIONS} may; split the longest (--list names them)`,
    );
  if (longLinePercent(style) >= MAX_LONG_LINE_PERCENT)
    violations.push(
      `lines: ${longLinePercent(style).toFixed(2)} % are over 100 columns, ` +
        `less than ${MAX_LONG_LINE_PERCENT} % may be; break them (--list names them)`,
    );
  if (median(style.comments) > MAX_COMMENT_WORDS)
    violations.push(
      `comments: the median has ${median(style.comments)} words, ` +
        `at most ${MAX_COMMENT_WORDS} are allowed; shorten the longest`,
    );
  return violations;
}

/** The totals on a few lines. */
export function renderTotals(style: Style): string[] {
  const longest = style.functions[0]?.lines ?? 0;
  return [
    `${style.files} files, ${style.lines} lines, ` +
      `${style.longLines.length} over 100 columns (${longLinePercent(style).toFixed(2)} %)`,
    `${style.comments.length} comments, median ${median(style.comments)} words`,
    `${style.functions.length} functions over ${LONG_FUNCTION_LINES} lines, longest ${longest}; ` +
      `in tests ${style.testFunctions.length} (a warning)`,
    `${style.longFiles.length} files over ${MAX_FILE_LINES} lines (a warning)`,
  ];
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    options: { list: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const folders = positionals.map((folder) => folder.replace(/\/$/, ''));
  const style = measureStyle(
    join(import.meta.dirname, '..'),
    folders.length > 0 ? folders : undefined,
  );
  if (values.list) {
    const { longLines, longFiles, functions, testFunctions } = style;
    const places = longLines.map((place) => `${place}: over 100 columns`);
    for (const line of [...places, ...[...functions, ...testFunctions].map(describe), ...longFiles])
      console.log(line);
  }
  for (const line of renderTotals(style)) console.log(line);
  const violations = findViolations(style);
  for (const violation of violations) console.error(violation);
  if (violations.length > 0) process.exitCode = 1;
}
