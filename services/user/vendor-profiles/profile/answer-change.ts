import { nameAuditEvent } from '@muniment/server';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { UserContext } from '../../context.ts';
import { readProfileChange } from '../fields/profile-body.ts';
import { readProfileBody } from '../files/read-profile-body.ts';
import { changeStoredProfile } from './change-stored-profile.ts';
import { findUnchangedProfile } from './lock-profile.ts';
import { showProfile } from './show-profile.ts';
import type { VendorProfileResource } from './vendor-profile-resource.ts';

/** Makes the change that a request's body states, and shows the profile as it is then. */
export async function answerChange(
  context: Pick<UserContext, 'auth' | 'config' | 'data' | 'audit'>,
  request: FastifyRequest<{ Params: { id: string } }>,
  reply: FastifyReply,
): Promise<VendorProfileResource> {
  const found = await findUnchangedProfile(context, request);
  const owner = { owner: found.user_id, isChosen: false };
  const { body } = await readProfileBody(context, request, owner);
  const fields = readProfileChange(body);
  const { row, eventId } = await changeStoredProfile(context, request, { found, fields, body });
  nameAuditEvent(reply, eventId);
  return showProfile(request, reply, row);
}
