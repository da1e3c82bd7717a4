import { mkdir, writeFile } from 'node:fs/promises';
import { renderTable } from './table.ts';

export interface Measurement {
  what: string;
  value: number;
  unit: string;
  /** Absent for a figure that is only compared with another. */
  goal?: { atLeast: number } | { atMost: number };
  /** The limit that it was measured against, or a remark. */
  beside?: string;
}

const format = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(2) : value.toFixed(3);

function verdict({ value, goal }: Measurement): string {
  if (!goal) return '';
  if ('atLeast' in goal) return value >= goal.atLeast ? 'met' : 'MISSED';
  return value <= goal.atMost ? 'met' : 'MISSED';
}

const goalText = ({ goal }: Measurement): string =>
  !goal ? '' : 'atLeast' in goal ? `≥ ${goal.atLeast}` : `≤ ${goal.atMost}`;

/** Prints the table and writes `.bench/results.json`. */
export async function report(measurements: readonly Measurement[]): Promise<void> {
  const rows = measurements.map((one) => [
    one.what,
    `${format(one.value)} ${one.unit}`,
    goalText(one),
    verdict(one),
    one.beside ?? '',
  ]);
  console.log(renderTable(['what', 'measured', 'goal', '', 'beside'], rows));
  await mkdir('.bench', { recursive: true });
  const results = { at: new Date().toISOString(), node: process.version, measurements };
  await writeFile('.bench/results.json', `${JSON.stringify(results, null, 2)}\n`);
}
