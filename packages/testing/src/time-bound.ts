const MIN_WIDE_MS = 3_000;
const MAX_EXTRA_MS = 30_000;

/**
 * The bound of a measured time in milliseconds, or of a rate or ratio with its own `wide`.
 * `make test-long` sets TIGHT_BOUNDS and asserts `tight`. Elsewhere only a broken mechanism
 * misses the bound, however busy the machine is.
 */
export function timeBound(
  tight: number,
  wide = Math.min(Math.max(10 * tight, MIN_WIDE_MS), tight + MAX_EXTRA_MS),
): number {
  return process.env['TIGHT_BOUNDS'] === '1' ? tight : wide;
}
