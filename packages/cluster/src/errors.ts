/** An error that the operator of the local fleet can act on. It is printed without a stack. */
export class FleetError extends Error {
  override name = 'FleetError';
}
