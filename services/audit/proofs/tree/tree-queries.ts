import { sql, type Kysely, type Transaction } from 'kysely';
import { decodeHead, encodeEdge, type TreeHead } from './grow-tree.ts';
import type { Tables } from '../../tables.ts';

/** The head of the Merkle tree: its size and right edge. */
export async function findHead(db: Kysely<Tables>): Promise<TreeHead> {
  const { size, edge } = await db
    .selectFrom('audit.tree')
    .select(['size', 'edge'])
    .executeTakeFirstOrThrow();
  return decodeHead(size, edge);
}

/** Moves the head on. @returns false when the tree has another size: another replica has sealed */
export async function updateHead(
  trx: Transaction<Tables>,
  oldSize: number,
  head: TreeHead,
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update audit.tree set size = ${head.size}, edge = ${encodeEdge(head)}
    where size = ${oldSize}`.execute(trx);
  return numAffectedRows === 1n;
}
