import type { Kysely, Transaction } from 'kysely';
import {
  UNNAMED,
  openBytes,
  sealBytes,
  type BlockKeyRef,
  type SubjectKeys,
} from '@muniment/audit-events';
import { lockErasures } from '../erasure/erasure-queries.ts';
import { insertQuarantined, type QuarantineEntry } from './quarantine-queries.ts';
import type { Tables } from '../tables.ts';

/** A record's place in its stream, to which its bytes are bound. */
interface Place {
  stream: string;
  shard_id: string;
  sequence_number: string;
}

interface KeptBytes extends Place {
  data: Buffer;
  key_id: string | null;
}

const placeOf = ({ stream, shard_id, sequence_number }: Place): string =>
  `${stream}/${shard_id}/${sequence_number}`;

/** Every UUID that stands in the bytes: with a user among them, an erasure takes the bytes away. */
export function idsIn(data: Uint8Array): string[] {
  const ids =
    Buffer.from(data)
      .toString('latin1')
      .toLowerCase()
      .match(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g) ?? [];
  return [...new Set(ids)];
}

/**
 * Keeps records in quarantine. What is not known to be an event of ours may hold anybody's values in the clear: its bytes are encrypted under a key that
 * follows from the key of the day, and end with it after 30 days; until then an erasure empties those that name the user. An event of ours holds
 * its personal values encrypted, so it stays as it is, to be replayed.
 * @throws while there is no key to be had; the records then come again
 */
export async function saveQuarantined(
  trx: Transaction<Tables>,
  subjectKeys: SubjectKeys | undefined,
  stream: string,
  shardId: string,
  entries: readonly QuarantineEntry[],
): Promise<void> {
  const ids = new Map(entries.map((entry) => [entry, entry.counted ? [] : idsIn(entry.data)]));
  const erased = await lockErasures(trx, [...ids.values()].flat());
  const key =
    subjectKeys && entries.some(({ counted }) => !counted)
      ? await subjectKeys.forUnnamed(trx)
      : undefined;
  await insertQuarantined(
    trx,
    stream,
    shardId,
    entries.map((entry) => {
      const { data, counted, sequenceNumber } = entry;
      if (counted) return { ...entry, keyId: null, mentions: [] };
      const mentions = ids.get(entry) ?? [];
      if (mentions.some((id) => erased.has(id)))
        return { ...entry, data: new Uint8Array(), keyId: null, mentions: [] };
      if (!key) return { ...entry, keyId: null, mentions };
      return {
        ...entry,
        data: sealBytes(
          placeOf({ stream, shard_id: shardId, sequence_number: sequenceNumber }),
          data,
          key,
        ),
        keyId: key.keyId,
        mentions,
      };
    }),
  );
}

/** Gives rows their bytes back; those whose key has ended, or was tampered with, are empty. */
export async function openQuarantined<Row extends KeptBytes>(
  db: Kysely<Tables>,
  subjectKeys: SubjectKeys,
  rows: readonly Row[],
): Promise<Row[]> {
  const block = (keyId: string): BlockKeyRef => ({ key_id: keyId, subject: UNNAMED });
  const refs = rows.flatMap(({ key_id: keyId }) => (keyId === null ? [] : [block(keyId)]));
  if (refs.length === 0) return [...rows];
  const keys = await subjectKeys.forBlocks(db, refs);
  return rows.map((row) => {
    if (row.key_id === null) return row;
    const key = keys.of(block(row.key_id));
    try {
      return { ...row, data: key ? openBytes(placeOf(row), row.data, key) : Buffer.alloc(0) };
    } catch {
      return { ...row, data: Buffer.alloc(0) };
    }
  });
}
