import { createHmac, createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import {
  openPersonal,
  type AuditEvent,
  type BlockKeys,
  type LoopLogger,
  type PersonalBlock,
  type PersonalValues,
  type SubjectKeys,
} from '@muniment/audit-events';
import { isDatabaseUnavailable } from '@muniment/database';
import type { MasterKey } from '@muniment/master-key';
import { emailKey, normalizeAddress } from '@muniment/security';
import {
  insertSearchTerms,
  createSearchKey,
  deleteMark,
  findSearchKey,
  listMarkedEvents,
  type MarkedEvent,
  type SearchTerm,
} from './search-term-queries.ts';
import type { Tables } from '../tables.ts';

/** The personal values by which an event can be found. */
export const SEARCH_KINDS = ['ip', 'email'] as const;
export type SearchKind = (typeof SEARCH_KINDS)[number];

type Personal = Pick<AuditEvent, 'id' | 'personal'>;

export type KeyedHash = (
  purpose: 'app-subject' | 'app-event',
  ...parts: readonly string[]
) => Buffer;

export interface SearchTerms {
  /**
   * What `audit.search_terms` holds in place of the value: 16 bytes. All spellings of an address or an e-mail give one term.
   * @throws what the database or the master key throws while the search key is not known yet
   */
  term(kind: SearchKind, value: string): Promise<Buffer>;
  /**
   * HMAC-SHA-256 under the search key, for other purposes than terms; the purpose is part of what is hashed. No part may hold a NUL.
   * @throws as `term`
   */
  loadKeyedHash(): Promise<KeyedHash>;
  /**
   * The terms of events, to be added in the transaction that stores them. Where a key cannot be had now the event gets a mark, and `complete`
   * makes the terms later: a key service that is down must not keep events from being stored.
   * @throws only when the database is out of reach
   */
  createTerms(events: readonly Personal[]): Promise<SearchTerm[]>;
  /** Makes the terms of events that were marked. Idempotent. @returns how many marks are gone */
  completeMarked(limit?: number): Promise<number>;
}

export interface SearchTermsOptions {
  db: Kysely<Tables>;
  masterKey: MasterKey;
  subjectKeys: SubjectKeys;
  log: LoopLogger;
}

const TERM_BYTES = 16;
const WRAP_CONTEXT = 'search-key';
/** Stands for the terms of an event that has none yet. */
const MARK = Buffer.alloc(0);
// Some 10 µs an event; requests are answered in between.
const AT_ONCE = 100;

const NORMAL_FORM = { ip: normalizeAddress, email: emailKey } as const;

function opened(id: string, block: PersonalBlock, keys: BlockKeys): PersonalValues | undefined {
  const key = keys.of(block);
  if (!key) return undefined;
  try {
    return openPersonal(id, block, key);
  } catch {
    // Tampered with. It opens for no reader either, so there is nothing to be found by.
    return undefined;
  }
}

/** The search terms of one replica. */
export function createSearchTerms({
  db,
  masterKey,
  subjectKeys,
  log,
}: SearchTermsOptions): SearchTerms {
  let searchKey: Promise<KeyObject> | undefined;

  async function loadSearchKey(): Promise<KeyObject> {
    const wrapped =
      (await findSearchKey(db)) ??
      (await createSearchKey(db, await masterKey.wrap(randomBytes(32), WRAP_CONTEXT)));
    return createSecretKey(await masterKey.unwrap(wrapped, WRAP_CONTEXT));
  }

  function key(): Promise<KeyObject> {
    searchKey ??= loadSearchKey().catch((error: unknown) => {
      searchKey = undefined;
      throw error;
    });
    return searchKey;
  }

  const termOf = (secret: KeyObject, kind: SearchKind, value: string): Buffer =>
    createHmac('sha256', secret)
      .update(`${kind}\0${NORMAL_FORM[kind](value)}`)
      .digest()
      .subarray(0, TERM_BYTES);

  function termsOf(
    secret: KeyObject,
    id: string,
    block: PersonalBlock,
    keys: BlockKeys,
  ): SearchTerm[] {
    const values = opened(id, block, keys);
    return SEARCH_KINDS.flatMap((kind) => {
      const value = values?.[kind];
      return typeof value === 'string' && value !== ''
        ? [{ term: termOf(secret, kind, value), event_id: id, subject: block.subject }]
        : [];
    });
  }

  async function completeOne({
    event_id: id,
    subject,
    record,
    key_id,
    nonce,
    ciphertext,
  }: MarkedEvent): Promise<void> {
    if (record !== null && key_id !== null && nonce !== null && ciphertext !== null) {
      const { personal } = JSON.parse(record) as { personal: { commitment: string } };
      const block = { subject, key_id, nonce, ciphertext, commitment: personal.commitment };
      await insertSearchTerms(
        db,
        termsOf(await key(), id, block, await subjectKeys.forBlocks(db, [block])),
      );
    }
    await deleteMark(db, id);
  }

  return {
    term: async (kind, value) => termOf(await key(), kind, value),

    async loadKeyedHash() {
      const secret = await key();
      return (purpose, ...parts) =>
        createHmac('sha256', secret)
          .update([purpose, ...parts].join('\0'))
          .digest();
    },

    async createTerms(events) {
      const blocks = events.flatMap(({ id, personal }) => (personal ? [{ id, personal }] : []));
      if (blocks.length === 0) return [];
      try {
        const secret = await key();
        const keys = await subjectKeys.forBlocks(
          db,
          blocks.map(({ personal }) => personal),
        );
        const terms: SearchTerm[] = [];
        for (const [index, { id, personal }] of blocks.entries()) {
          if (index > 0 && index % AT_ONCE === 0) await nextTurn();
          terms.push(...termsOf(secret, id, personal, keys));
        }
        return terms;
      } catch (error) {
        if (isDatabaseUnavailable(error)) throw error;
        log.warn(
          { err: error, events: blocks.length },
          'events are stored without search terms; these follow when the keys can be had',
        );
        return blocks.map(({ id, personal: { subject } }) => ({
          term: MARK,
          event_id: id,
          subject,
        }));
      }
    },

    async completeMarked(limit = 500) {
      let completed = 0;
      for (const event of await listMarkedEvents(db, limit)) {
        try {
          await completeOne(event);
          completed += 1;
        } catch (error) {
          // One key that is damaged must not keep the others' events from being found.
          if (isDatabaseUnavailable(error)) throw error;
          log.warn({ err: error, event_id: event.event_id }, 'an event has no search terms yet');
        }
      }
      return completed;
    },
  };
}
