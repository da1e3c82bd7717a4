/**
 * Finds the counters of a Prometheus text that have no series. Such a counter first appears with its
 * first event, and `increase()` never sees that one.
 */
export function findEmptyCounters(exposition: string): string[] {
  const counters = [...exposition.matchAll(/^# TYPE (\S+) counter$/gm)].map(
    ([, name = '']) => name,
  );
  return counters.filter((name) => !new RegExp(`^${name}[ {]`, 'm').test(exposition));
}
