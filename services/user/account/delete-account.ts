import { Type } from 'typebox';
import { sessionPrincipalOf } from '@muniment/security';
import {
  defineRoute,
  hasPreconditions,
  requirePreconditions,
  strictObject,
} from '@muniment/server';
import type { UserContext } from '../context.ts';
import { AccountChanged, LastAdministrator, PasswordIncorrect } from '../errors.ts';
import { confirmPassword, lockConfirmedCaller } from '../passwords/confirm-password.ts';
import { clearSessionCookies } from '../sessions/session-cookies.ts';
import { deleteUser, lockUser } from '../users/user-queries.ts';
import { passwordSchema, toUserResource, userValidators } from '../users/user-resource.ts';
import { accountDeleted } from './account-events.ts';

type DeleteContext = Pick<
  UserContext,
  'audit' | 'auth' | 'config' | 'crypto' | 'data' | 'findUser' | 'limits' | 'passwords'
>;

/** Deletes the account at once. Files and personal audit values follow within seconds. */
export const deleteAccount = defineRoute({
  method: 'DELETE',
  url: '/api/users/me',
  operation: 'account.delete_account',
  summary: "Delete the caller's account.",
  access: { permission: 'account:manage' },
  body: strictObject({ password: passwordSchema }),
  response: { 204: Type.Null() },
  errors: [PasswordIncorrect, AccountChanged, LastAdministrator],
  preconditions: 'handler',
  handler: (context: DeleteContext) => async (request, reply) => {
    const { auth, crypto, data } = context;
    const caller = sessionPrincipalOf(request);
    const { password } = request.body;
    const { id, checkedHash } = await confirmPassword(context, request, {
      password,
      action: 'USER_DELETED',
    });
    await data.inTransaction(request, async (trx, record) => {
      await lockConfirmedCaller(trx, caller, checkedHash);
      const locked = hasPreconditions(request) ? await lockUser(trx, id) : undefined;
      if (locked) requirePreconditions(request, userValidators(locked, toUserResource(locked)));
      await deleteUser(trx, id);
      await record(accountDeleted(id));
    });
    auth.sessions.dropUser(id);
    crypto.subjectKeys.drop(id);
    clearSessionCookies(context, request, reply);
    return reply.code(204).send(null);
  },
});
