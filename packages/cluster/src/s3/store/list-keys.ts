import { lowerBound, type KeyIndex } from './key-index.ts';

export interface ListPage {
  keys: string[];
  /** Common prefixes. */
  prefixes: string[];
  /** The page's last item when more follow; the next page's `after`. */
  next: string | undefined;
}

/**
 * One page of a listing.
 * Keys that contain `delimiter` after `prefix` become one common prefix, which counts as one item.
 */
export function listKeys(
  index: KeyIndex,
  options: { prefix: string; delimiter: string; after: string; limit: number },
): ListPage {
  const { prefix, delimiter, after, limit } = options;
  const page: ListPage = { keys: [], prefixes: [], next: undefined };
  let last = after;
  let position = after < prefix ? lowerBound(index, prefix) : lowerBound(index, after);
  if (index[position] === after && after !== '') position++;
  // After a common prefix the next page starts behind all of its keys.
  if (after !== '' && commonPrefix(after, prefix, delimiter) === after)
    position = endOfPrefix(index, after);

  for (;;) {
    const key = index[position];
    if (key === undefined || !key.startsWith(prefix) || limit === 0) return page;
    if (page.keys.length + page.prefixes.length === limit) return { ...page, next: last };
    const group = commonPrefix(key, prefix, delimiter);
    last = group ?? key;
    if (group === undefined) {
      page.keys.push(key);
      position++;
    } else {
      page.prefixes.push(group);
      position = endOfPrefix(index, group);
    }
  }
}

function commonPrefix(key: string, prefix: string, delimiter: string): string | undefined {
  if (delimiter === '' || !key.startsWith(prefix)) return undefined;
  const at = key.indexOf(delimiter, prefix.length);
  return at < 0 ? undefined : key.slice(0, at + delimiter.length);
}

function endOfPrefix(index: KeyIndex, prefix: string): number {
  let [low, high] = [lowerBound(index, prefix), index.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (index[middle]?.startsWith(prefix)) low = middle + 1;
    else high = middle;
  }
  return low;
}
