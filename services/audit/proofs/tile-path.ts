import { TILE_WIDTH } from './grow-tree.ts';

/** A tile's index and how many of its hashes, as C2SP tlog-tiles writes them in a path: `x001/x234/067` or `000.p/112`. */
export interface TilePath {
  index: number;
  /** 1 to 256. */
  width: number;
}

const FORM = /^((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/** @returns undefined for what is no such path: also for a second spelling of one */
export function parseTilePath(path: string): TilePath | undefined {
  const [, digits, partial] = FORM.exec(path) ?? [];
  if (digits === undefined) return undefined;
  const index = Number(digits.replaceAll(/[x/]/g, ''));
  const width = partial === undefined ? TILE_WIDTH : Number(partial);
  if (!Number.isSafeInteger(index) || width > TILE_WIDTH) return undefined;
  const path256 = formatTilePath({ index, width });
  return path256 === path ? { index, width } : undefined;
}

export function formatTilePath({ index, width }: TilePath): string {
  const groups: string[] = [];
  for (let rest = index; groups.length === 0 || rest > 0; rest = Math.floor(rest / 1_000)) {
    groups.unshift(`${groups.length === 0 ? '' : 'x'}${String(rest % 1_000).padStart(3, '0')}`);
  }
  return `${groups.join('/')}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}
