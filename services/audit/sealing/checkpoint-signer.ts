import type { Kysely } from 'kysely';
import { signNote, type LogKeys } from '@muniment/audit-key';
import { formatCheckpoint } from '@muniment/audit-verify';
import { LeaseLost, requireLease, type Lease } from '@muniment/database';
import { HistoryAltered } from '../errors.ts';
import {
  insertCheckpoint,
  findLatestCheckpoint,
  type StoredCheckpoint,
} from '../proofs/tree/checkpoint-queries.ts';
import { findHead } from '../proofs/tree/tree-queries.ts';
import type { Tables } from '../tables.ts';
import { rootOf } from '../proofs/tree/grow-tree.ts';
import { openSignedHead, requireConsistent, type SignedHead } from './signed-head.ts';

export interface CheckpointSignerOptions {
  db: Kysely<Tables>;
  keys: LogKeys;
  /** Name of the log. */
  origin: string;
}

/** Signs the tree's heads, and nothing that contradicts an earlier signature. */
export interface CheckpointSigner {
  /**
   * Reads the newest checkpoint of the database.
   * @throws HistoryAltered when one seen before is gone
   */
  observe(): Promise<StoredCheckpoint | undefined>;
  /** Compares the tree with the newest known checkpoint. @throws HistoryAltered */
  verify(): Promise<void>;
  /**
   * Compares the tree with a note from elsewhere.
   * @returns the note's size
   * @throws HistoryAltered
   */
  compare(note: string | Uint8Array): Promise<number>;
  /**
   * Signs the tree as it is, unless this size was signed.
   * @returns the checkpoint if it is new
   * @throws HistoryAltered, LeaseLost, what `beforeCommit` throws
   */
  sign(lease: Lease, beforeCommit?: () => void): Promise<StoredCheckpoint | undefined>;
}

/** Reads the database's newest checkpoint. @throws HistoryAltered when it contradicts `anchor` */
async function readNewest(
  options: CheckpointSignerOptions,
  anchor: SignedHead | undefined,
): Promise<StoredCheckpoint | undefined> {
  const stored = await findLatestCheckpoint(options.db);
  if (anchor && (!stored || stored.size < anchor.size))
    throw new HistoryAltered(`the checkpoint of ${anchor.size} leaves that was signed is gone`);
  if (!stored) return undefined;
  const signed = openSignedHead(options, stored.note);
  if (signed.size !== stored.size || !signed.root.equals(stored.root))
    throw new HistoryAltered(`the note of the checkpoint of ${stored.size} leaves is another's`);
  if (anchor?.size === signed.size && !anchor.root.equals(signed.root))
    throw new HistoryAltered(`there are two checkpoints of ${signed.size} leaves`);
  return stored;
}

export function createCheckpointSigner(options: CheckpointSignerOptions): CheckpointSigner {
  const { db, keys, origin } = options;
  /** The newest head known to be signed. It outweighs what the database says later. */
  let anchor: SignedHead | undefined;

  async function verify(): Promise<void> {
    const stored = await readNewest(options, anchor);
    const head = await findHead(db);
    // The head seen first counts: a newer checkpoint must follow from it too.
    if (anchor) await requireConsistent(db, anchor, head);
    if (stored) await requireConsistent(db, stored, head);
    anchor = stored ?? anchor;
  }

  return {
    async observe() {
      const stored = await readNewest(options, anchor);
      anchor ??= stored;
      return stored;
    },
    verify,
    async compare(note) {
      const signed = openSignedHead(options, note);
      await requireConsistent(db, signed, await findHead(db));
      return signed.size;
    },
    async sign(lease, beforeCommit = () => {}) {
      const head = await findHead(db);
      const root = rootOf(head);
      if (anchor) await requireConsistent(db, anchor, head);
      if (anchor?.size === head.size) return undefined;
      const note = await signNote(
        formatCheckpoint({ origin, size: head.size, root }),
        keys.signers,
      );
      const checkpoint = { size: head.size, root, note };
      await db.transaction().execute(async (trx) => {
        await requireLease(trx, lease);
        if (!(await insertCheckpoint(trx, checkpoint))) throw new LeaseLost(lease.name);
        beforeCommit();
      });
      anchor = checkpoint;
      return checkpoint;
    },
  };
}
