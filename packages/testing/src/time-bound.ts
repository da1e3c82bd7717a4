const MIN_WIDE_MS = 3_000;
const MAX_EXTRA_MS = 30_000;

/**
 * The bound of a time in ms, or of a rate or ratio. `make test-long` asserts `tight`.
 * Elsewhere only a broken mechanism exceeds the bound `wide`, however busy the machine is.
 */
export function timeBound(
  tight: number,
  wide = Math.min(Math.max(10 * tight, MIN_WIDE_MS), tight + MAX_EXTRA_MS),
): number {
  return process.env['TIGHT_BOUNDS'] === '1' ? tight : wide;
}
