/** A piece of a file. */
export interface Extent {
  start: number;
  size: number;
}

/**
 * Takes the first gap of at least `size` bytes among extents in order, or the end.
 * A part that is sent again so fills the place of its failed attempt.
 */
export function reserveExtent(taken: Extent[], size: number): Extent {
  let start = 0;
  let at = 0;
  for (const next of taken) {
    if (next.start - start >= size) break;
    start = next.start + next.size;
    at++;
  }
  const extent = { start, size };
  taken.splice(at, 0, extent);
  return extent;
}

/** Gives back what `reserveExtent` returned. */
export function releaseExtent(taken: Extent[], extent: Extent): void {
  const at = taken.indexOf(extent);
  if (at >= 0) taken.splice(at, 1);
}

/** The position behind all extents. */
export function endOf(extents: Extent[]): number {
  return extents.reduce((end, { start, size }) => Math.max(end, start + size), 0);
}

/** Adjacent extents as one. Parts that came in their order become a single extent. */
export function mergeExtents(extents: Extent[]): Extent[] {
  const merged: Extent[] = [];
  for (const { start, size } of extents) {
    const last = merged.at(-1);
    if (last && last.start + last.size === start) last.size += size;
    else merged.push({ start, size });
  }
  return merged;
}

/** Where the bytes `start` to `end` (inclusive) of the joined extents lie. */
export function sliceExtents(
  extents: Extent[],
  { start, end }: { start: number; end: number },
): Extent[] {
  const pieces: Extent[] = [];
  let offset = 0;
  for (const extent of extents) {
    const from = Math.max(start - offset, 0);
    const to = Math.min(end + 1 - offset, extent.size);
    if (from < to) pieces.push({ start: extent.start + from, size: to - from });
    offset += extent.size;
  }
  return pieces;
}
