import { sql, type Transaction } from 'kysely';
import { violatedUniqueConstraint } from '@muniment/database';
import {
  isPrivileged,
  SessionRequired,
  type Principal,
  type PrivilegedRole,
} from '@muniment/security';
import { afterCommit, type RequestContext, type RequestEvent } from '@muniment/server';
import type { UserContext } from '../../context.ts';
import { EmailTaken, IdTaken, OwnAccount, StatusConflict } from '../../errors.ts';
import { queueMail } from '../../mail/queue-mail.ts';
import { grantRole } from '../../sign-in/grant-role.ts';
import { countRevoked, dropAccess, type RevokedAccess } from '../../sign-in/revoke-access.ts';
import type { Metadata, Tables, User } from '../../tables.ts';
import {
  findDirectoryUser,
  updateDirectoryUser,
  type DirectoryChange,
} from '../../users/directory-queries.ts';
import type { DirectoryUser } from '../../users/directory-resource.ts';
import { lockUserFor } from '../../users/lock-user.ts';
import { changedKeys, mergeMetadata } from '../../users/metadata/merge-metadata.ts';
import { requireTokenSize } from '../../users/metadata/token-metadata-queries.ts';
import { lockUser } from '../../users/user-queries.ts';
import { deleteEmailChange } from '../../verification/email-change-queries.ts';
import { deleteResetTokens } from '../../verification/recovery-queries.ts';
import { userUpdated, userUpdateRefused } from './directory-events.ts';
import type { UserFields } from './user-fields.ts';

type ChangeContext = Pick<UserContext, 'audit' | 'auth' | 'config' | 'crypto' | 'data' | 'mail'>;
type Record = (event: RequestEvent) => Promise<string>;

/** Unique ids of other systems, by the index that holds each. */
export const ID_INDEXES: ReadonlyMap<string, string> = new Map([
  ['users_external_id', 'external_id'],
  ['users_aws_cognito_id', 'aws_cognito_id'],
]);

export interface UserUpdate {
  id: string;
  caller: Principal;
  fields: UserFields;
  /** Throws where the locked user must not change so. */
  check?(trx: Transaction<Tables>, user: User): Promise<void>;
}

export interface ChangedUser {
  user: DirectoryUser;
  eventId: string;
}

/**
 * Changes a user.
 * @throws as `lockUserFor`, EmailTaken, IdTaken, OwnAccount, SessionRequired, StatusConflict,
 * LastAdministrator
 */
export async function changeUser(
  context: ChangeContext,
  request: RequestContext,
  update: UserUpdate,
): Promise<ChangedUser> {
  const { audit, auth, data } = context;
  const { id, fields } = update;
  try {
    const { revoked, ...changed } = await data.inTransaction(request, (trx, record) =>
      applyUpdate(context, { trx, record }, update),
    );
    afterCommit(request, () => {
      if (revoked) dropAccess(context, revoked);
      if (fields.type || fields.appMetadata) auth.sessions.dropUser(id);
    });
    return changed;
  } catch (error) {
    const index = violatedUniqueConstraint(error);
    const otherId = ID_INDEXES.get(index ?? '');
    if (otherId === undefined && index !== 'users_email_key') throw error;
    await audit.record(request, userUpdateRefused(id, otherId ? 'id_taken' : 'email_taken'));
    throw otherId === undefined ? new EmailTaken() : new IdTaken(otherId);
  }
}

async function applyUpdate(
  context: ChangeContext,
  { trx, record }: { trx: Transaction<Tables>; record: Record },
  { id, caller, fields, check }: UserUpdate,
): Promise<ChangedUser & { revoked: RevokedAccess | undefined }> {
  const user = await lockUserFor(trx, caller, id);
  await check?.(trx, user);
  const moves = fields.address !== undefined && fields.address.emailKey !== user.email_key;
  // A stolen session must not move its own account to a mailbox of the thief.
  if (moves && id === caller.id) throw new OwnAccount();
  const granted =
    fields.type !== undefined && fields.type !== user.type && isPrivileged(fields.type)
      ? fields.type
      : undefined;
  if (granted && caller.apiToken) throw new SessionRequired();
  // The grant would make the user active by the way.
  if (granted && user.status !== 'active') throw new StatusConflict(user.status);
  const { appMetadata: patch } = fields;
  const appMetadata = patch && mergeMetadata(user.app_metadata, patch);
  const change = toChange(fields, user, {
    moves,
    grants: granted !== undefined,
    ...(appMetadata && { appMetadata }),
  });
  await updateDirectoryUser(trx, id, { change, actorId: caller.id });
  if (patch) await requireTokenSize(trx, id, patch.pointer);
  if (moves) await leaveAddress(context, trx, { user, newEmail: fields.address?.email ?? '' });
  const revoked = granted && (await grant(context, { trx, record }, { id, type: granted }));
  const details = {
    ...(fields.type && { type: fields.type }),
    ...(revoked && countRevoked(revoked)),
    ...(appMetadata && { appKeys: changedKeys(user.app_metadata, appMetadata) }),
  };
  const eventId = await record(userUpdated(id, fields.names, details));
  const changed = await findDirectoryUser(trx, id);
  if (!changed) throw new Error('a locked user is gone');
  return { user: changed, eventId, revoked };
}

/** After the other fields, so that the rights go by the proof of the new address. */
async function grant(
  context: ChangeContext,
  { trx, record }: { trx: Transaction<Tables>; record: Record },
  { id, type }: { id: string; type: PrivilegedRole },
): Promise<RevokedAccess> {
  const user = await lockUser(trx, id);
  if (!user) throw new Error('a locked user is gone');
  const locale = context.mail.languages.choose(undefined);
  return (await grantRole(context, { trx, record }, { user, type, locale })).revoked;
}

function toChange(
  { type, address, phone, country, others }: UserFields,
  user: User,
  { moves, grants, appMetadata }: { moves: boolean; grants: boolean; appMetadata?: Metadata },
): DirectoryChange {
  const number = phone === null ? { phone: null, phone_valid: null } : phone;
  const reverified = others.is_profile_reverified;
  return {
    ...others,
    ...country,
    ...(appMetadata && { app_metadata: appMetadata }),
    ...(type && !grants && { type }),
    ...(address && { email: address.email, email_key: address.emailKey }),
    ...(moves && { email_verified_at: null }),
    ...number,
    ...(number && number.phone !== user.phone && { phone_verified_at: null }),
    ...(reverified !== undefined &&
      reverified !== user.is_profile_reverified && {
        profile_reverified_at: reverified ? (sql<Date>`now()` as unknown as Date) : null,
      }),
  };
}

/** Voids links to the old address and notifies its reader. */
async function leaveAddress(
  { crypto, mail }: Pick<UserContext, 'crypto' | 'mail'>,
  trx: Transaction<Tables>,
  { user: { id, email }, newEmail }: { user: User; newEmail: string },
): Promise<void> {
  await deleteResetTokens(trx, id);
  await deleteEmailChange(trx, id);
  await queueMail(trx, crypto.masterKey, {
    userId: id,
    template: 'email_changed',
    locale: mail.languages.choose(undefined),
    to: email,
    values: { email, new_email: newEmail },
  });
}
