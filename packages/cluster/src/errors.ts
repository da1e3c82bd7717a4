/** A start, stop or check of the local fleet that failed in a way the operator can act on: printed without a stack. */
export class FleetError extends Error {
  override name = 'FleetError';
}
