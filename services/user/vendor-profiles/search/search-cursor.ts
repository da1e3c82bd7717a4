import { CursorInvalid, formatUuid } from '@muniment/server';
import type { SearchPlace } from './profile-term-queries.ts';

const ID_BYTES = 16;

/** The place behind which a search continues: the id's 16 bytes, then the word, in base64url. */
export const encodeSearchCursor = ({ term, id }: SearchPlace): string =>
  Buffer.concat([Buffer.from(id.replaceAll('-', ''), 'hex'), Buffer.from(term)]).toString(
    'base64url',
  );

/** @throws CursorInvalid, also for a cursor of a search for another word */
export function decodeSearchCursor(cursor: string, word: string): SearchPlace {
  const bytes = Buffer.from(cursor, 'base64url');
  const term = bytes.subarray(ID_BYTES).toString();
  const id = formatUuid(bytes.subarray(0, ID_BYTES).toString('hex'));
  // Buffer.from skips what is not base64, and toString replaces what is not UTF-8.
  const isExact = bytes.length > ID_BYTES && encodeSearchCursor({ term, id }) === cursor;
  if (!isExact || term.includes('\0') || !term.startsWith(word)) throw new CursorInvalid();
  return { term, id };
}
