import type { Kysely, Transaction } from 'kysely';
import {
  UNNAMED,
  openBytes,
  sealBytes,
  type BlockKeyRef,
  type SubjectKey,
  type SubjectKeys,
} from '@muniment/audit-events';
import { lockErasures } from '../erasure/erasure-queries.ts';
import type { Tables } from '../tables.ts';
import { insertQuarantined, type NewEntry, type QuarantineEntry } from './quarantine-queries.ts';

/** A record's place in its stream. Its encrypted bytes open at this place only. */
interface Place {
  stream: string;
  shard_id: string;
  sequence_number: string;
}

interface StoredBytes extends Place {
  data: Buffer;
  key_id: string | null;
}

const placeName = ({ stream, shard_id, sequence_number }: Place): string =>
  `${stream}/${shard_id}/${sequence_number}`;

const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

/** All UUIDs in the bytes, in lower case. Users among them can be erased. */
function findIds(data: Uint8Array): string[] {
  const text = Buffer.from(data).toString('latin1').toLowerCase();
  return [...new Set(text.match(UUID))];
}

/**
 * Saves records, and encrypts unknown bytes, which may be personal, under a key that ends after 30
 * days. Counted events encrypt their own values.
 * @throws without a key; the stream then delivers the records again
 */
export async function saveQuarantined(
  { trx, subjectKeys }: { trx: Transaction<Tables>; subjectKeys: SubjectKeys | undefined },
  shard: { stream: string; shardId: string },
  entries: readonly QuarantineEntry[],
): Promise<void> {
  const ids = new Map(entries.map((entry) => [entry, entry.counted ? [] : findIds(entry.data)]));
  const erased = await lockErasures(trx, [...ids.values()].flat());
  const hasUnknown = entries.some(({ counted }) => !counted);
  const key = hasUnknown ? await subjectKeys?.forUnnamed(trx) : undefined;
  const encrypted = entries.map((entry): NewEntry => {
    const mentions = ids.get(entry) ?? [];
    if (entry.counted) return { ...entry, keyId: null, mentions };
    if (mentions.some((id) => erased.has(id)))
      return { ...entry, data: new Uint8Array(), keyId: null, mentions: [] };
    if (!key) return { ...entry, keyId: null, mentions };
    return { ...entry, data: encrypt(entry, shard, key), keyId: key.keyId, mentions };
  });
  await insertQuarantined(trx, shard, encrypted);
}

function encrypt(
  { data, sequenceNumber }: QuarantineEntry,
  { stream, shardId }: { stream: string; shardId: string },
  key: SubjectKey,
): Uint8Array {
  const place = { stream, shard_id: shardId, sequence_number: sequenceNumber };
  return sealBytes(placeName(place), data, key);
}

/** Decrypts the bytes of rows. They are empty when the key has ended, or they were altered. */
export async function decryptRecords<Row extends StoredBytes>(
  db: Kysely<Tables>,
  subjectKeys: SubjectKeys,
  rows: readonly Row[],
): Promise<Row[]> {
  const refs = rows.flatMap(({ key_id: keyId }) => (keyId === null ? [] : [keyRef(keyId)]));
  if (refs.length === 0) return [...rows];
  const keys = await subjectKeys.forBlocks(db, refs);
  return rows.map((row) => {
    if (row.key_id === null) return row;
    const key = keys.of(keyRef(row.key_id));
    try {
      return { ...row, data: key ? openBytes(placeName(row), row.data, key) : Buffer.alloc(0) };
    } catch {
      return { ...row, data: Buffer.alloc(0) };
    }
  });
}

const keyRef = (keyId: string): BlockKeyRef => ({ key_id: keyId, subject: UNNAMED });
