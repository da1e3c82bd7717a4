/** Renders a Markdown table whose columns line up. Columns of numbers align to the right. */
export function renderTable(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  isNumeric: (column: number) => boolean = () => false,
): string {
  const widths = heads.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${widths
      .map((width, column) =>
        isNumeric(column)
          ? (cells[column] ?? '').padStart(width)
          : (cells[column] ?? '').padEnd(width),
      )
      .join(' | ')} |`;
  const rule = widths.map((width, column) =>
    isNumeric(column) ? `${'-'.repeat(width + 1)}:` : '-'.repeat(width + 2),
  );
  return [line(heads), `|${rule.join('|')}|`, ...rows.map(line)].join('\n');
}
