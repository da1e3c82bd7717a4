import { principalOf } from '@muniment/security';
import { decodeCursor, toPage } from '@muniment/server';
import type { FastifyRequest } from 'fastify';
import type { VendorProfile } from '../../tables.ts';
import { createProfileReader } from './profile-reader.ts';
import type { ProfilePage } from './vendor-profile-queries.ts';
import type { VendorProfileResource } from './vendor-profile-resource.ts';

type Select = (page: ProfilePage) => { execute(): Promise<VendorProfile[]> };

/** The page of a list that a request asks for, as its caller sees it. @throws CursorInvalid */
export async function readProfilePage(
  request: FastifyRequest,
  { limit, cursor }: { limit: number; cursor?: string },
  select: Select,
): Promise<{ data: VendorProfileResource[]; next_cursor: string | null }> {
  const { seesUnlisted: unlisted, show } = createProfileReader(principalOf(request));
  const before = cursor === undefined ? undefined : decodeCursor(cursor);
  const rows = await select({ limit: limit + 1, before, unlisted }).execute();
  return toPage(rows, limit, show);
}
