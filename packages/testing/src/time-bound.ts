/**
 * The bound of a measured time or ratio. `make test-long` sets TIGHT_BOUNDS and asserts `tight`.
 * Otherwise `wide` holds even on a busy machine: only a broken mechanism misses it.
 */
export function timeBound({ tight, wide }: { tight: number; wide: number }): number {
  return process.env['TIGHT_BOUNDS'] === '1' ? tight : wide;
}
