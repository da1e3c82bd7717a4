import { defineRoute, idParams, validatorFields } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { UserNotFound } from '../errors.ts';
import { findDirectoryUser } from '../users/directory-queries.ts';
import {
  directoryUserSchema,
  directoryValidators,
  toDirectoryUser,
} from '../users/directory-resource.ts';

export const getUser = defineRoute({
  method: 'GET',
  url: '/api/users/:id',
  operation: 'directory.get_user',
  summary: 'Get a user.',
  access: { permission: 'directory:read' },
  params: idParams,
  response: { 200: directoryUserSchema },
  sends: { 200: ['ETag'] },
  errors: [UserNotFound],
  handler:
    ({ data }: Pick<UserContext, 'data'>) =>
    async (request, reply) => {
      const user = await findDirectoryUser(data.db, request.params.id);
      if (!user) throw new UserNotFound();
      const resource = toDirectoryUser(user);
      reply.headers(validatorFields(directoryValidators(resource)));
      return resource;
    },
});
