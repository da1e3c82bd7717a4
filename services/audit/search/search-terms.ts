import { createHmac, type KeyObject } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { AuditEvent, LoopLogger, PersonalBlock, SubjectKeys } from '@muniment/audit-events';
import { isDatabaseUnavailable } from '@muniment/database';
import type { MasterKey } from '@muniment/master-key';
import type { Tables } from '../tables.ts';
import { deriveTerm, deriveTerms, type SearchKind } from './derive-terms.ts';
import { createSearchKeyLoader } from './search-key.ts';
import {
  deleteMark,
  insertSearchTerms,
  listMarkedEvents,
  type MarkedEvent,
  type SearchTerm,
} from './search-term-queries.ts';

type Personal = Pick<AuditEvent, 'id' | 'personal'>;

/** HMAC-SHA-256 under the search key. The purpose is hashed too; no part may hold a NUL. */
export type KeyedHash = (
  purpose: 'app-subject' | 'app-event',
  ...parts: readonly string[]
) => Buffer;

export interface SearchTerms {
  /**
   * The 16 bytes that `audit.search_terms` holds in place of a value.
   * @throws errors of the database or the master key until the search key is loaded
   */
  term(kind: SearchKind, value: string): Promise<Buffer>;
  /** The keyed hash for purposes other than terms. @throws as `term` */
  loadKeyedHash(): Promise<KeyedHash>;
  /**
   * The terms of events, for the transaction that stores them. Without a key an event gets a mark,
   * and `completeMarked` follows: a key service that is down must not block storing.
   * @throws only when the database is out of reach
   */
  createTerms(events: readonly Personal[]): Promise<SearchTerm[]>;
  /** Creates the terms of marked events. Idempotent. @returns how many marks were removed */
  completeMarked(limit?: number): Promise<number>;
}

export interface SearchTermsOptions {
  db: Kysely<Tables>;
  masterKey: MasterKey;
  subjectKeys: SubjectKeys;
  log: LoopLogger;
}

/** Stands for the terms of an event that has none yet. */
const MARK = Buffer.alloc(0);
/** About 10 µs an event. Between batches requests are answered. */
const BATCH_SIZE = 100;

/** The search terms of one replica. */
export function createSearchTerms(options: SearchTermsOptions): SearchTerms {
  const { db, subjectKeys, log } = options;
  const loadKey = createSearchKeyLoader(db, options.masterKey);

  async function deriveAll(blocks: readonly EventBlock[]): Promise<SearchTerm[]> {
    const key = await loadKey();
    const keys = await subjectKeys.forBlocks(
      db,
      blocks.map(({ block }) => block),
    );
    const terms: SearchTerm[] = [];
    for (const [index, event] of blocks.entries()) {
      if (index > 0 && index % BATCH_SIZE === 0) await nextTurn();
      terms.push(...deriveTerms(key, event, keys));
    }
    return terms;
  }

  async function complete(event: MarkedEvent): Promise<void> {
    const block = parseBlock(event);
    if (block) await insertSearchTerms(db, await deriveAll([{ id: event.event_id, block }]));
    await deleteMark(db, event.event_id);
  }

  return {
    term: async (kind, value) => deriveTerm(await loadKey(), kind, value),
    loadKeyedHash: async () => createKeyedHash(await loadKey()),
    async createTerms(events) {
      const blocks = events.flatMap(({ id, personal }) =>
        personal ? [{ id, block: personal }] : [],
      );
      if (blocks.length === 0) return [];
      try {
        return await deriveAll(blocks);
      } catch (error) {
        if (isDatabaseUnavailable(error)) throw error;
        log.warn(
          { err: error, events: blocks.length },
          'events are stored without search terms; these follow when the keys can be read',
        );
        return blocks.map(toMark);
      }
    },
    async completeMarked(limit = 500) {
      let completed = 0;
      for (const event of await listMarkedEvents(db, limit)) {
        try {
          await complete(event);
          completed += 1;
        } catch (error) {
          // One damaged key must not block the others' events.
          if (isDatabaseUnavailable(error)) throw error;
          log.warn({ err: error, event_id: event.event_id }, 'an event has no search terms yet');
        }
      }
      return completed;
    },
  };
}

interface EventBlock {
  id: string;
  block: PersonalBlock;
}

const createKeyedHash =
  (key: KeyObject): KeyedHash =>
  (purpose, ...parts) =>
    createHmac('sha256', key)
      .update([purpose, ...parts].join('\0'))
      .digest();

const toMark = ({ id, block: { subject } }: EventBlock): SearchTerm => ({
  term: MARK,
  event_id: id,
  subject,
});

/** The personal block of a marked event; undefined when the log no longer holds it. */
function parseBlock(event: MarkedEvent): PersonalBlock | undefined {
  const { subject, record, key_id, nonce, ciphertext } = event;
  if (record === null || key_id === null || nonce === null || ciphertext === null) return undefined;
  const { personal } = JSON.parse(record) as { personal: { commitment: string } };
  return { subject, key_id, nonce, ciphertext, commitment: personal.commitment };
}
