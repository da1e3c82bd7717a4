import { defineRoute, idParams, strictObject, validatorFields } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { UserNotFound } from '../errors.ts';
import { findDirectoryUser } from '../users/directory-queries.ts';
import { directoryValidators, toDirectoryUser } from '../users/directory-resource.ts';
import { addIncluded, includeSchema, readInclude } from './include.ts';
import { listedUserSchema } from './listed-user-resource.ts';

/** With other resources included it has no validators: each of them has its own. */
export const getUser = defineRoute({
  method: 'GET',
  url: '/api/users/:id',
  operation: 'directory.get_user',
  summary: 'Get a user.',
  access: { permission: 'directory:read' },
  params: idParams,
  query: strictObject({ include: includeSchema }),
  response: { 200: listedUserSchema },
  sends: { 200: ['ETag'] },
  errors: [UserNotFound],
  handler: (context: Pick<UserContext, 'audit' | 'data'>) => async (request, reply) => {
    const { db } = context.data;
    const include = await readInclude(context, request, request.query.include);
    const user = await findDirectoryUser(db, request.params.id);
    if (!user) throw new UserNotFound();
    const resource = toDirectoryUser(user);
    const [shown = resource] = await addIncluded(db, request, { users: [resource], include });
    if (shown === resource) reply.headers(validatorFields(directoryValidators(resource)));
    return shown;
  },
});
