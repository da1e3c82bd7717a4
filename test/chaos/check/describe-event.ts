import type { TrailEvent } from './violations.ts';

export const describeEvent = ({ source, lane, seq, action, outcome, id }: TrailEvent): string =>
  `${action} ${outcome} ${source}/${lane}/${seq} (${id})`;

export const isInOrder = (before: TrailEvent, event: TrailEvent): boolean =>
  before.lane === event.lane &&
  before.seq < event.seq &&
  (before.index ?? -1) < (event.index ?? Infinity);

export const describeOrder = (before: TrailEvent, event: TrailEvent): string =>
  `${describeEvent(before)}, leaf ${before.index}, stands behind ${describeEvent(event)}, leaf ${event.index}`;
