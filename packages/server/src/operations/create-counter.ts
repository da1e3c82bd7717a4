import { Counter, type Registry } from 'prom-client';

interface CounterOptions<Label extends string> {
  name: string;
  help: string;
  /** The values that each label has from the start. */
  labels: Readonly<Record<Label, readonly string[]>>;
  registers: readonly [Registry];
}

/**
 * Creates a counter whose series all begin at 0. `increase()` compares two samples of one series, so
 * a series that appears with its first event hides that event from every alert.
 */
export function createCounter<Label extends string>({
  name,
  help,
  labels,
  registers,
}: CounterOptions<Label>): Counter<Label> {
  const labelNames = Object.keys(labels) as Label[];
  const counter = new Counter({ name, help, labelNames, registers: [...registers] });
  for (const series of combine(labelNames, labels)) counter.inc(series, 0);
  return counter;
}

/** Every combination of the labels' values. */
function combine<Label extends string>(
  names: readonly Label[],
  labels: CounterOptions<Label>['labels'],
): Partial<Record<Label, string>>[] {
  const [name, ...rest] = names;
  if (name === undefined) return [{}];
  const others = combine(rest, labels);
  return labels[name].flatMap((value) => others.map((series) => ({ [name]: value, ...series })));
}
