import { principalOf, reachOf } from '@muniment/security';
import { uuidv7 } from '@muniment/database';
import { defineRoute, InvalidFields, nameAuditEvent, pointerTo } from '@muniment/server';
import type { FastifyRequest } from 'fastify';
import type { UserContext } from '../context.ts';
import { VendorProfileExists } from '../errors.ts';
import { lockUser } from '../users/user-queries.ts';
import { changeProfile, EMPTY_PROFILE, type StatedProfile } from './fields/check-profile.ts';
import { newProfileForm, newProfileSchema, readNewProfile } from './fields/profile-body.ts';
import { claimFiles } from './files/claim-files.ts';
import { FORM_ERRORS } from './files/read-answer.ts';
import { readProfileBody } from './files/read-profile-body.ts';
import { requireReach } from './profile/profile-reach.ts';
import { showProfile } from './profile/show-profile.ts';
import { vendorProfileCreated } from './profile/vendor-profile-events.ts';
import { insertProfile, updateProfileStatus } from './profile/vendor-profile-queries.ts';
import { vendorProfileSchema } from './profile/vendor-profile-resource.ts';

type CreateContext = Pick<UserContext, 'auth' | 'config' | 'data' | 'audit'>;

/** The seed document's request. A vendor makes their own, an administrator anyone's. */
export const createVendorProfile = defineRoute({
  method: 'POST',
  url: '/api/vendor-profiles',
  operation: 'vendor-profiles.create_vendor_profile',
  summary: 'Create the profile of the calling vendor, or as administrator of any vendor.',
  access: { permission: 'vendor-profiles:write' },
  body: newProfileSchema,
  media: { 'multipart/form-data': newProfileForm },
  response: { 201: vendorProfileSchema },
  sends: { 201: ['Audit-Event', 'ETag', 'Last-Modified', 'Location'] },
  errors: [VendorProfileExists, ...FORM_ERRORS],
  idempotency: 'content',
  options: { attachValidation: true },
  handler: (context: CreateContext) => async (request, reply) => {
    const { id: callerId, role } = principalOf(request);
    const isChosen = reachOf(role, 'vendor-profiles:write') === 'any';
    const read = await readProfileBody(context, request, { owner: callerId, isChosen });
    const { body, content } = read;
    if (request.idempotency?.answered) {
      await request.idempotency.replay(content);
      return reply;
    }
    request.idempotency?.identify(content);
    const { user_id: wantedId, ...fields } = readNewProfile(body);
    const profile = changeProfile(EMPTY_PROFILE, fields, body);
    const userId = wantedId?.toLowerCase() ?? callerId;
    await requireReach(context, request, userId);
    const { row, eventId } = await insert(context, request, { userId, profile, body });
    nameAuditEvent(reply, eventId);
    reply.code(201).header('location', `/api/vendor-profiles/${row.id}`);
    return showProfile(request, reply, row);
  },
});

async function insert(
  { data }: CreateContext,
  request: FastifyRequest,
  { userId, profile, body }: { userId: string; profile: StatedProfile; body: object },
) {
  return data.inTransaction(request, async (trx, record) => {
    const user = await lockUser(trx, userId);
    if (user?.type !== 'vendor' || user.service)
      throw new InvalidFields([
        { pointer: pointerTo(body, 'user_id'), message: 'names no vendor' },
      ]);
    await claimFiles(trx, { owner: userId, after: profile, body });
    const id = uuidv7(Date.now());
    const row = await insertProfile(trx, {
      ...profile,
      id,
      user_id: userId,
      created_by: principalOf(request).id,
    });
    if (!row) throw new VendorProfileExists();
    const { is_profile_reverified } = user;
    await updateProfileStatus(trx, user, { is_profile_updated: true, is_profile_reverified });
    const fields = statedFields(profile);
    return { row, eventId: await record(vendorProfileCreated(row, fields)) };
  });
}

const statedFields = (profile: StatedProfile): string[] =>
  Object.entries(profile)
    .filter(([name, value]) => name !== 'country_code' && value !== null && value !== '')
    .filter(([, value]) => !Array.isArray(value) || value.length > 0)
    .map(([name]) => name)
    .toSorted();
