import { InvalidFields, pointerTo } from '@muniment/server';
import { sql, type Transaction } from 'kysely';
import type { Tables } from '../../tables.ts';
import { FILE_FIELDS, FILE_TYPES, type FileField } from './file-fields.ts';

type ProfileFiles = Readonly<Record<FileField, string | null>>;

/** Keeps a file until the transaction ends. @returns its media type, where it is the owner's */
async function claimFile(
  trx: Transaction<Tables>,
  { id, owner }: { id: string; owner: string },
): Promise<string | null> {
  const { rows } = await sql<{ media_type: string | null }>`
    select shared.claim_profile_file(${id}::uuid, ${owner}::uuid) as media_type`.execute(trx);
  return rows[0]?.media_type ?? null;
}

/**
 * Claims the files that a profile newly names, so that the cleanup leaves them. `body` tells their
 * spelling.
 * @throws InvalidFields where one is absent, another's or of another type
 */
export async function claimFiles(
  trx: Transaction<Tables>,
  {
    owner,
    before,
    after,
    body,
  }: { owner: string; before?: ProfileFiles; after: ProfileFiles; body: object },
): Promise<void> {
  for (const field of FILE_FIELDS) {
    const id = after[field];
    if (id === null || id === before?.[field]) continue;
    const mediaType = await claimFile(trx, { id, owner });
    const types: readonly string[] = FILE_TYPES[field];
    if (mediaType === null || !types.includes(mediaType)) throw refused(body, field);
  }
}

const refused = (body: object, field: FileField): InvalidFields =>
  new InvalidFields([
    {
      pointer: pointerTo(body, field),
      message: `must be the id of a file of the vendor, ${FILE_TYPES[field].join(' or ')}`,
    },
  ]);
