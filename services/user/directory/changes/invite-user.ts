import { uuidv7, violatedUniqueConstraint } from '@muniment/database';
import { isPrivileged, SessionRequired, Unauthenticated, type Principal } from '@muniment/security';
import type { RequestContext } from '@muniment/server';
import type { Transaction } from 'kysely';
import type { UserContext } from '../../context.ts';
import { EmailTaken, IdTaken } from '../../errors.ts';
import { queueMail } from '../../mail/queue-mail.ts';
import type { Tables, User } from '../../tables.ts';
import { isCallerLive } from '../../users/caller-queries.ts';
import { findDirectoryUser } from '../../users/directory-queries.ts';
import type { DirectoryUser } from '../../users/directory-resource.ts';
import type { EmailAddress } from '../../users/email-address.ts';
import { mergeMetadata } from '../../users/metadata/merge-metadata.ts';
import { requireTokenSize } from '../../users/metadata/token-metadata-queries.ts';
import { insertUser, type NewUser, type NewUserDetails } from '../../users/user-queries.ts';
import { createLinkToken } from '../../verification/link-tokens.ts';
import { insertResetToken } from '../../verification/recovery-queries.ts';
import { invitationSent, userCreated, userCreationRefused } from './directory-events.ts';
import { ID_INDEXES } from './change-user.ts';
import type { UserFields } from './user-fields.ts';

type InviteContext = Pick<UserContext, 'audit' | 'config' | 'crypto' | 'data' | 'mail'>;

export interface Invitation {
  caller: Principal;
  fields: UserFields & { address: EmailAddress };
  /** Whether a mail leads to the first password; else forgot-password does. */
  invite: boolean;
}

/**
 * Creates a user without a password: only the mailbox's owner can set one.
 * @throws Unauthenticated, SessionRequired, EmailTaken, IdTaken
 */
export async function inviteUser(
  context: InviteContext,
  request: RequestContext,
  invitation: Invitation,
): Promise<{ user: DirectoryUser; eventId: string }> {
  const { audit } = context;
  const { caller, fields } = invitation;
  const { email } = fields.address;
  // A stolen API token must not make itself a more powerful account.
  if (caller.apiToken && isPrivileged(fields.type ?? 'customer')) throw new SessionRequired();
  try {
    return await insertInvited(context, request, invitation);
  } catch (error) {
    const id = ID_INDEXES.get(violatedUniqueConstraint(error) ?? '');
    if (id === undefined && !(error instanceof EmailTaken)) throw error;
    await audit.record(request, userCreationRefused(email, id ? 'id_taken' : 'email_taken'));
    throw id === undefined ? error : new IdTaken(id);
  }
}

async function insertInvited(
  context: InviteContext,
  request: RequestContext,
  { caller, fields, invite }: Invitation,
): Promise<{ user: DirectoryUser; eventId: string }> {
  return context.data.inTransaction(request, async (trx, record) => {
    if (!(await isCallerLive(trx, caller))) throw new Unauthenticated();
    const inserted = await insertUser(trx, toNewUser(fields, caller.id));
    if (!inserted) throw new EmailTaken();
    if (fields.appMetadata) await requireTokenSize(trx, inserted.id, fields.appMetadata.pointer);
    const eventId = await record(userCreated(inserted));
    if (invite) {
      await mailInvitation(context, trx, { user: inserted, request });
      await record(invitationSent(inserted.id, inserted.email));
    }
    const user = await findDirectoryUser(trx, inserted.id);
    if (!user) throw new Error('an inserted user is gone');
    return { user, eventId };
  });
}

function toNewUser(
  { type, address: { email, emailKey }, phone, country, appMetadata, others }: Invitation['fields'],
  createdBy: string,
): NewUser & NewUserDetails {
  const { name = null, first_name = null, last_name = null, ...details } = others;
  return {
    id: uuidv7(Date.now()),
    type: type ?? 'customer',
    name,
    first_name,
    last_name,
    email,
    email_key: emailKey,
    password_hash: null,
    ...details,
    ...phone,
    ...country,
    ...(appMetadata && { app_metadata: mergeMetadata({}, appMetadata) }),
    ...(details.is_profile_reverified && { profile_reverified_at: new Date() }),
    created_by: createdBy,
  };
}

async function mailInvitation(
  { config, crypto, mail }: InviteContext,
  trx: Transaction<Tables>,
  { user: { id, email }, request }: { user: User; request: RequestContext },
): Promise<void> {
  const { token, hash } = createLinkToken('reset_password');
  await insertResetToken(trx, id, { tokenHash: hash, ttlSeconds: config.INVITATION_TOKEN_TTL_S });
  const { headers } = request as { headers: { 'accept-language'?: string } };
  await queueMail(trx, crypto.masterKey, {
    userId: id,
    template: 'invitation',
    locale: mail.languages.choose(headers['accept-language']),
    to: email,
    values: { email },
    token,
    resetToken: hash,
  });
}
