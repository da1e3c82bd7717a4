import { Type } from 'typebox';
import { principalOf, Unauthenticated } from '@muniment/security';
import { defineRoute, nullable } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { documentedFailures, failureSchema } from './shapes.ts';

/** Names are null for users who signed up elsewhere without them. */
const answerSchema = Type.Object({
  success: Type.Literal(true),
  email: Type.String(),
  firstname: nullable(Type.String()),
  lastname: nullable(Type.String()),
});

/** Shows the caller, as seed 004 documents it. */
export const getUser = defineRoute({
  method: 'GET',
  url: '/api/v1/auth/user',
  operation: 'seed-004.get_user',
  summary: 'Get the caller.',
  access: { permission: 'profile:read' },
  response: { 200: answerSchema },
  errors: [],
  failure: failureSchema,
  options: { preSerialization: documentedFailures() },
  handler:
    ({ findUser }: Pick<UserContext, 'findUser'>) =>
    async (request) => {
      const user = await findUser(principalOf(request).id);
      if (!user) throw new Unauthenticated();
      const { email, first_name: firstname, last_name: lastname } = user;
      return { success: true as const, email, firstname, lastname };
    },
});
