const MAX_COLUMNS = 100;

const COMMENT = /\/\*[\s\S]*?\*\/|(?:^[ \t]*\/\/.*\n)+|(?<=[;,{})\s])\/\/[^\n]*/gm;
const DIRECTIVE = /oxlint-disable|@ts-/;

/** The numbers of the lines that are too wide, counted from 1. */
export function listLongLines(text: string): number[] {
  return text
    .split('\n')
    .flatMap((line, index) => (Array.from(line).length > MAX_COLUMNS ? [index + 1] : []));
}

/** Counts the words of each comment. A run of `//` lines is one comment. */
export function countCommentWords(text: string): number[] {
  return [...text.matchAll(COMMENT)]
    .filter(([comment]) => !DIRECTIVE.test(comment))
    .map(([comment]) => {
      const prose = comment.replaceAll(/(^|\n)\s*(\/\/|\/?\*+\/?)+/g, ' ');
      return prose.match(/[A-Za-z0-9'`_./-]+/g)?.filter((word) => word !== '/').length ?? 0;
    });
}
