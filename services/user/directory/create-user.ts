import { Type } from 'typebox';
import { principalOf, SessionRequired } from '@muniment/security';
import { bothSpellings, defineRoute, nameAuditEvent, validatorFields } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { EmailMalformed, EmailTaken, IdTaken } from '../errors.ts';
import {
  directoryUserSchema,
  directoryValidators,
  toDirectoryUser,
} from '../users/directory-resource.ts';
import { inviteUser } from './changes/invite-user.ts';
import { readUserFields, userFields } from './changes/user-fields.ts';

const bodySchema = bothSpellings({
  ...userFields,
  invite: Type.Optional(
    Type.Boolean({ description: 'false: no mail; forgot-password sets the first password.' }),
  ),
});

export const createUser = defineRoute({
  method: 'POST',
  url: '/api/users',
  operation: 'directory.create_user',
  summary: 'Create a user, whom a mail invites to set a password.',
  access: { permission: 'directory:write' },
  body: bodySchema,
  response: { 201: directoryUserSchema },
  sends: { 201: ['Audit-Event', 'ETag', 'Location'] },
  errors: [EmailTaken, IdTaken, SessionRequired],
  handler:
    (context: Pick<UserContext, 'audit' | 'config' | 'crypto' | 'data' | 'mail'>) =>
    async (request, reply) => {
      const { invite = true, ...body } = request.body;
      const { address, ...fields } = readUserFields(body, { required: ['email'] });
      if (!address) throw new EmailMalformed();
      const { user, eventId } = await inviteUser(context, request, {
        caller: principalOf(request),
        fields: { ...fields, address },
        invite,
      });
      const resource = toDirectoryUser(user);
      nameAuditEvent(reply, eventId);
      reply.headers(validatorFields(directoryValidators(resource)));
      return reply.code(201).header('location', `/api/users/${user.id}`).send(resource);
    },
});
