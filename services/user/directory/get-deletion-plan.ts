import { Type } from 'typebox';
import { defineRoute, idParams, uuid } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { UserNotFound } from '../errors.ts';
import { countOwnedRows, findDirectoryUser } from '../users/directory-queries.ts';

const planSchema = Type.Object({
  user_id: uuid,
  at_once: Type.Object(
    { sessions: Type.Integer(), api_tokens: Type.Integer(), unsent_mails: Type.Integer() },
    { description: 'Ends or goes with the account, in the transaction of the deletion.' },
  ),
  erased: Type.Object(
    { files: Type.String(), trail: Type.String() },
    { description: 'What the other services erase within seconds.' },
  ),
});

export const getDeletionPlan = defineRoute({
  method: 'GET',
  url: '/api/users/:id/deletion-plan',
  operation: 'directory.get_deletion_plan',
  summary: 'Tell what the deletion of a user would end and erase.',
  access: { permission: 'directory:read' },
  params: idParams,
  response: { 200: planSchema },
  errors: [UserNotFound],
  handler:
    ({ data: { db } }: Pick<UserContext, 'data'>) =>
    async ({ params: { id } }) => {
      if (!(await findDirectoryUser(db, id))) throw new UserNotFound();
      return {
        user_id: id,
        at_once: await countOwnedRows(db, id),
        erased: {
          files: 'All files of the user go, with their links.',
          trail: 'The entries stay, their personal values become unreadable.',
        },
      };
    },
});
