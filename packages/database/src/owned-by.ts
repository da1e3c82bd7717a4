import { sql, type RawBuilder } from 'kysely';

/**
 * A condition on the column `user_id`, for lists of one owner that are ordered `by user_id, id desc`.
 * By `=` the order is that of the primary key too, and the planner may walk through everybody's
 * newer rows to find an owner's old ones.
 */
export const ownedBy = (userId: string): RawBuilder<boolean> =>
  sql<boolean>`user_id between ${userId} and ${userId}`;
