import { TILE_WIDTH } from './tree/grow-tree.ts';

/**
 * A tile's index and width, in a path as C2SP tlog-tiles writes it: `x001/x234/067`, `000.p/112`.
 */
export interface TilePath {
  index: number;
  /** 1 to 256. */
  width: number;
}

const FORM = /^((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/** @returns undefined for any other text, also for another spelling of a path */
export function parseTilePath(path: string): TilePath | undefined {
  const [, digits, partial] = FORM.exec(path) ?? [];
  if (digits === undefined) return undefined;
  const index = Number(digits.replaceAll(/[x/]/g, ''));
  const width = partial === undefined ? TILE_WIDTH : Number(partial);
  if (!Number.isSafeInteger(index) || width > TILE_WIDTH) return undefined;
  return formatTilePath({ index, width }) === path ? { index, width } : undefined;
}

export function formatTilePath({ index, width }: TilePath): string {
  const groups: string[] = [];
  for (let rest = index; groups.length === 0 || rest > 0; rest = Math.floor(rest / 1_000)) {
    groups.unshift(`${groups.length === 0 ? '' : 'x'}${String(rest % 1_000).padStart(3, '0')}`);
  }
  return `${groups.join('/')}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}
