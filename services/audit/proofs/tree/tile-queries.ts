import { sql, type Kysely, type Transaction } from 'kysely';
import type { Tile } from './grow-tree.ts';
import type { Tables } from '../../tables.ts';

export async function insertTiles(trx: Transaction<Tables>, tiles: readonly Tile[]): Promise<void> {
  await sql`
    insert into audit.tiles (level, index, hashes)
    select * from unnest(
      ${tiles.map(({ level }) => level)}::smallint[],
      ${tiles.map(({ index }) => index)}::bigint[],
      ${tiles.map(({ hashes }) => hashes)}::bytea[])`.execute(trx);
}

/** The wanted tiles that exist. Only full ones are stored. */
export async function findTiles(
  db: Kysely<Tables>,
  wanted: readonly Pick<Tile, 'level' | 'index'>[],
): Promise<Tile[]> {
  const { rows } = await sql<Tile>`
    select t.level, t.index, t.hashes
    from unnest(
      ${wanted.map(({ level }) => level)}::smallint[],
      ${wanted.map(({ index }) => index)}::bigint[]) as w(level, index)
    join audit.tiles t using (level, index)`.execute(db);
  return rows;
}
