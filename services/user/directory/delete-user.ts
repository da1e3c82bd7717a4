import { Type } from 'typebox';
import { principalOf, PermissionDenied } from '@muniment/security';
import { defineRoute, idParams, nameAuditEvent } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { LastAdministrator, OwnAccount, PreconditionRequired, UserNotFound } from '../errors.ts';
import { removeUser } from './changes/remove-user.ts';
import { recordRefusal, requireMatch } from './changes/guard-change.ts';

type DeleteContext = Pick<UserContext, 'audit' | 'auth' | 'config' | 'crypto' | 'data'>;

export const deleteUser = defineRoute({
  method: 'DELETE',
  url: '/api/users/:id',
  operation: 'directory.delete_user',
  summary: 'Delete a user: see the deletion plan for what goes.',
  access: { permission: 'directory:write' },
  params: idParams,
  response: { 204: Type.Null() },
  sends: { 204: ['Audit-Event'] },
  errors: [UserNotFound, OwnAccount, LastAdministrator, PreconditionRequired, PermissionDenied],
  preconditions: 'handler',
  handler: (context: DeleteContext) => async (request, reply) => {
    const { id } = request.params;
    const caller = principalOf(request);
    if (id === caller.id) throw new OwnAccount();
    const check = requireMatch(context, request, id);
    const eventId = await recordRefusal(context, request, () =>
      removeUser(context, request, { id, caller, check }),
    );
    nameAuditEvent(reply, eventId);
    return reply.code(204).send(null);
  },
});
