import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Measurement } from '../report.ts';

const ROWS = 500_000;
/** V8 lets up to 200 MB of garbage lie. A small heap shows what an export needs. */
const HEAP_MB = 96;

function runExport(url: string, format: string, rows: number) {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [
      '--max-semi-space-size=4',
      `--max-old-space-size=${HEAP_MB}`,
      join(import.meta.dirname, 'export-child.ts'),
      url,
      format,
      String(rows),
    ],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as { rowsPerSecond: number; rssMb: number };
}

/** Measures speed and memory of an export in each format, in its own process. */
export function measureExports(url: string, rows: number): Measurement[] {
  return ['ndjson', 'csv', 'ocsf'].flatMap((format): Measurement[] => {
    const { rowsPerSecond, rssMb } = runExport(url, format, Math.min(rows, ROWS));
    return [
      {
        what: `export, ${format}`,
        value: rowsPerSecond,
        unit: 'rows/s',
        goal: { atLeast: 20_000 },
      },
      {
        what: `RSS of the process that exports, ${format}`,
        value: rssMb,
        unit: 'MB',
        goal: { atMost: 200 },
        beside: `given a heap of ${HEAP_MB} MB`,
      },
    ];
  });
}
