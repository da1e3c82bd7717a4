import type { EventsBody, Fault } from './check-body.ts';

export interface EventFault extends Fault {
  index: number;
}

/** The error with its faults, as the renderer of problems reads them. */
export function createRefusal(
  error: Error,
  { batch }: EventsBody,
  faults: readonly EventFault[],
): Error {
  const validation = faults.map(({ index, instancePath, message }) => ({
    params: {},
    instancePath: `${batch ? `/events/${index}` : ''}${instancePath}`,
    message,
  }));
  return Object.assign(error, { validation, validationContext: 'body' });
}
