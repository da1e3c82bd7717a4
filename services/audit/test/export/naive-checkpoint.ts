import { generateKeyPairSync, sign } from 'node:crypto';
import type { Kysely } from 'kysely';
import {
  createCompactRange,
  ED25519,
  formatCheckpoint,
  formatVerifierKey,
  keyHash,
  leafHash,
} from '@muniment/audit-verify';
import type { StoredCheckpoint } from '../../proofs/tree/checkpoint-queries.ts';
import type { Tables } from '../../tables.ts';

const NAME = 'muniment.local/test';

/**
 * Signs the log as it is at each call, its root hashed anew from every record: it says what the
 * sealer's tree must be.
 */
export function naiveCheckpoints(db: Kysely<Tables>): {
  verifierKey: string;
  latest(): Promise<StoredCheckpoint>;
} {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const rawKey = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
  const keyId = Buffer.alloc(4);
  keyId.writeUInt32BE(keyHash(NAME, ED25519, rawKey));
  return {
    verifierKey: formatVerifierKey(NAME, rawKey),
    async latest() {
      const rows = await db
        .selectFrom('audit.sealed')
        .innerJoin('audit.events', 'id', 'event_id')
        .select('record')
        .orderBy('index')
        .execute();
      const range = createCompactRange();
      for (const { record } of rows) range.append(leafHash(Buffer.from(record)));
      const root = range.root();
      const text = formatCheckpoint({ origin: NAME, size: rows.length, root, extensions: [] });
      const signature = Buffer.concat([keyId, sign(null, Buffer.from(text), privateKey)]);
      return {
        size: rows.length,
        root,
        note: `${text}\n\u2014 ${NAME} ${signature.toString('base64')}\n`,
      };
    },
  };
}
