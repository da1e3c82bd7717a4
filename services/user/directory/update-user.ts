import { principalOf, PermissionDenied, SessionRequired } from '@muniment/security';
import {
  bothSpellings,
  defineRoute,
  idParams,
  nameAuditEvent,
  validatorFields,
} from '@muniment/server';
import type { UserContext } from '../context.ts';
import {
  EmailTaken,
  IdTaken,
  LastAdministrator,
  OwnAccount,
  PreconditionRequired,
  StatusConflict,
  UserNotFound,
} from '../errors.ts';
import {
  directoryUserSchema,
  directoryValidators,
  toDirectoryUser,
} from '../users/directory-resource.ts';
import { changeUser } from './changes/change-user.ts';
import { recordRefusal, requireMatch } from './changes/guard-change.ts';
import { readUserFields, userFields } from './changes/user-fields.ts';

type UpdateContext = Pick<UserContext, 'audit' | 'auth' | 'config' | 'crypto' | 'data' | 'mail'>;

/** JSON Merge Patch (RFC 7396): null clears a field, an absent one stays. */
export const updateUser = defineRoute({
  method: 'PATCH',
  url: '/api/users/:id',
  operation: 'directory.update_user',
  summary: 'Change a user.',
  access: { permission: 'directory:write' },
  params: idParams,
  body: bothSpellings(userFields),
  response: { 200: directoryUserSchema },
  sends: { 200: ['Audit-Event', 'ETag'] },
  errors: [
    UserNotFound,
    EmailTaken,
    IdTaken,
    OwnAccount,
    LastAdministrator,
    StatusConflict,
    PreconditionRequired,
    PermissionDenied,
    SessionRequired,
  ],
  preconditions: 'handler',
  handler: (context: UpdateContext) => async (request, reply) => {
    const { id } = request.params;
    const fields = readUserFields(request.body);
    const check = requireMatch(context, request, id);
    const caller = principalOf(request);
    const { user, eventId } = await recordRefusal(context, request, () =>
      changeUser(context, request, { id, caller, fields, check }),
    );
    const resource = toDirectoryUser(user);
    nameAuditEvent(reply, eventId);
    reply.headers(validatorFields(directoryValidators(resource)));
    return resource;
  },
});
