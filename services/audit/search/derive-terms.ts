import { createHmac, type KeyObject } from 'node:crypto';
import {
  openPersonal,
  type BlockKeys,
  type PersonalBlock,
  type PersonalValues,
} from '@muniment/audit-events';
import { emailKey, normalizeAddress } from '@muniment/security';
import type { SearchTerm } from './search-term-queries.ts';

/** The personal values by which an event can be found. */
export const SEARCH_KINDS = ['ip', 'email'] as const;
export type SearchKind = (typeof SEARCH_KINDS)[number];

const TERM_BYTES = 16;
const NORMAL_FORM = { ip: normalizeAddress, email: emailKey } as const;

/** All spellings of an address or an e-mail give one term. */
export const deriveTerm = (key: KeyObject, kind: SearchKind, value: string): Buffer =>
  createHmac('sha256', key)
    .update(`${kind}\0${NORMAL_FORM[kind](value)}`)
    .digest()
    .subarray(0, TERM_BYTES);

/** The terms of an event's personal values. A block without its key has none. */
export function deriveTerms(
  key: KeyObject,
  { id, block }: { id: string; block: PersonalBlock },
  keys: BlockKeys,
): SearchTerm[] {
  const values = openValues(id, block, keys);
  return SEARCH_KINDS.flatMap((kind) => {
    const value = values?.[kind];
    return typeof value === 'string' && value !== ''
      ? [{ term: deriveTerm(key, kind, value), event_id: id, subject: block.subject }]
      : [];
  });
}

function openValues(id: string, block: PersonalBlock, keys: BlockKeys): PersonalValues | undefined {
  const key = keys.of(block);
  if (!key) return undefined;
  try {
    return openPersonal(id, block, key);
  } catch {
    // Tampered with: no reader can open it either, so nothing can be found by it.
    return undefined;
  }
}
