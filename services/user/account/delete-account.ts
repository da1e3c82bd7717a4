import { Type } from 'typebox';
import { sessionPrincipalOf } from '@muniment/security';
import type { UserContext } from '../context.ts';
import { confirmPassword, lockConfirmedCaller } from '../passwords/confirm-password.ts';
import { deleteUser } from '../users/user-queries.ts';
import { clearSessionCookies } from '../sessions/session-cookies.ts';
import { passwordSchema } from '../users/user-resource.ts';

const bodySchema = Type.Object({ password: passwordSchema }, { additionalProperties: false });

/** `DELETE /api/users/me`: the account is gone with the answer; files and readable audit values follow within seconds. */
export function deleteAccountRoute(server: UserContext): void {
  const { app, inTransaction, sessions, subjectKeys } = server;
  app.route({
    method: 'DELETE',
    url: '/api/users/me',
    schema: { body: bodySchema, response: { 204: Type.Null() } },
    config: { operation: 'user.delete', access: { permission: 'account:manage' } },
    handler: async (request, reply) => {
      const caller = sessionPrincipalOf(request);
      const { id } = caller;
      const { password_hash: checkedHash } = await confirmPassword(
        server,
        request,
        request.body.password,
        'USER_DELETED',
      );
      await inTransaction(request, async (trx, record) => {
        await lockConfirmedCaller(trx, caller, checkedHash);
        await deleteUser(trx, id);
        await record({ action: 'USER_DELETED', resource: id, resource_type: 'user' });
      });
      sessions.dropUser(id);
      subjectKeys.drop(id);
      clearSessionCookies(server, request, reply);
      return reply.code(204).send(null);
    },
  });
}
