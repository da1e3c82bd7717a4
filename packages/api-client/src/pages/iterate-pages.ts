import type { Answer, AnyInput } from '../core/call.ts';

type Query = Record<string, unknown>;
type ReadPage = (input: AnyInput) => Promise<Answer<unknown>>;

/** A list that stands alone, or one in `data`. */
function itemsOf(data: unknown): readonly unknown[] {
  if (Array.isArray(data)) return data;
  return (data as { data: readonly unknown[] }).data;
}

/** The query of `Link: <...>; rel="next"` (RFC 8288); undefined on the last page. */
export function parseNextLink(link: string | null): Query | undefined {
  for (const [, target = '', parameters = ''] of (link ?? '').matchAll(/<([^>]*)>([^<]*)/g))
    if (/;\s*rel\s*=\s*"?(?:[^";]*\s)?next(?:\s[^";]*)?"?\s*(?:[;,]|$)/i.test(parameters))
      // Only its query: a token never follows a link to another host.
      return Object.fromEntries(new URL(target, 'http://localhost').searchParams);
  return undefined;
}

function findNext({ data, headers }: Answer<unknown>, query: Query): Query | undefined {
  if (Array.isArray(data)) return parseNextLink(headers.get('link'));
  const { next_cursor: cursor } = data as { next_cursor: string | null };
  return typeof cursor === 'string' ? { ...query, cursor } : undefined;
}

/** All items from the first page on. A page is read when the items before it were taken. */
export async function* iteratePages(
  first: Promise<Answer<unknown>>,
  { read, input }: { read: ReadPage; input: AnyInput },
): AsyncGenerator<unknown, void, void> {
  const { ifNoneMatch: _, ...rest } = input;
  let answer = await first;
  let query: Query = input.query ?? {};
  for (;;) {
    yield* itemsOf(answer.data);
    const next = findNext(answer, query);
    if (next === undefined) return;
    if (next['cursor'] === query['cursor'])
      throw new Error('The next page is the same page again.');
    query = next;
    answer = await read({ ...rest, query });
  }
}
