import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { principalOf, PermissionDenied } from '@muniment/security';
import {
  afterCommit,
  defineRoute,
  idParams,
  nameAuditEvent,
  strictObject,
  validatorFields,
} from '@muniment/server';
import type { UserContext } from '../context.ts';
import {
  LastAdministrator,
  PreconditionRequired,
  StatusConflict,
  UserNotFound,
} from '../errors.ts';
import type { User } from '../tables.ts';
import { findDirectoryUser, updateDirectoryUser } from '../users/directory-queries.ts';
import {
  directoryUserSchema,
  directoryValidators,
  statusSchema,
  toDirectoryUser,
} from '../users/directory-resource.ts';
import { lockUserFor } from '../users/lock-user.ts';
import { consumeStatusChange } from '../users/status-change-queries.ts';
import type { ChangedUser } from './changes/change-user.ts';
import { userStatusChanged } from './changes/directory-events.ts';
import { recordRefusal, requireMatch } from './changes/guard-change.ts';

type Status = User['status'];

/** Which state follows which. Nobody becomes pending again: that is before the first use. */
export const TRANSITIONS: Readonly<Record<Status, readonly Status[]>> = {
  pending: ['active', 'inactive', 'suspended'],
  active: ['inactive', 'suspended'],
  inactive: ['active', 'suspended'],
  suspended: ['active', 'inactive'],
};

type StatusContext = Pick<UserContext, 'audit' | 'auth' | 'config' | 'data'>;

const bodySchema = strictObject({
  status: statusSchema,
  reason: Type.Optional(Type.String({ minLength: 1, maxLength: 500 })),
});

/** Any state but active ends sessions and API tokens. They do not come back with it. */
export const updateUserStatus = defineRoute({
  method: 'PATCH',
  url: '/api/users/:id/status',
  operation: 'directory.update_user_status',
  summary: "Change a user's status.",
  access: { permission: 'directory:write' },
  params: idParams,
  body: bodySchema,
  response: { 200: directoryUserSchema },
  sends: { 200: ['Audit-Event', 'ETag'] },
  errors: [UserNotFound, StatusConflict, LastAdministrator, PreconditionRequired, PermissionDenied],
  preconditions: 'handler',
  handler: (context: StatusContext) => async (request, reply) => {
    const { id } = request.params;
    const check = requireMatch(context, request, id);
    const { user, eventId } = await recordRefusal(context, request, () =>
      changeStatus(context, request, { id, ...request.body, check }),
    );
    const resource = toDirectoryUser(user);
    nameAuditEvent(reply, eventId);
    reply.headers(validatorFields(directoryValidators(resource)));
    return resource;
  },
});

interface StatusUpdate {
  id: string;
  status: Status;
  reason?: string;
  check: ReturnType<typeof requireMatch>;
}

async function changeStatus(
  { auth, data }: StatusContext,
  request: FastifyRequest,
  { id, status, reason, check }: StatusUpdate,
): Promise<ChangedUser> {
  const caller = principalOf(request);
  const changed = await data.inTransaction(request, async (trx, record) => {
    const user = await lockUserFor(trx, caller, id);
    await check(trx);
    if (!TRANSITIONS[user.status].includes(status)) throw new StatusConflict(user.status);
    await updateDirectoryUser(trx, id, { change: { status }, actorId: caller.id });
    const change = await consumeStatusChange(trx, id);
    const after = await findDirectoryUser(trx, id);
    if (!change || !after) throw new Error('a change of status left no trace');
    return { user: after, eventId: await record(userStatusChanged(change, reason)) };
  });
  afterCommit(request, () => auth.sessions.dropUser(id));
  return changed;
}
