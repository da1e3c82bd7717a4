import type { Holder, InsertableUser } from './import-queries.ts';
import type { RowFault } from './rows/row.ts';

/** What became of a row. */
export type RowOutcome = { line: number } & (
  | { status: 'created' | 'existing'; id: string }
  | ({ status: 'refused' } & RowFault)
);

/** @param reasons by field */
export const refuseRow = (
  line: number,
  code: string,
  reasons: Readonly<Record<string, string>>,
): RowOutcome => ({
  line,
  status: 'refused',
  code,
  errors: Object.entries(reasons).map(([name, message]) => ({ pointer: `/${name}`, message })),
});

type OtherId = 'external_id' | 'aws_cognito_id';

const sharesId = (user: InsertableUser, holder: Holder, name: OtherId): boolean =>
  user[name] !== null && holder[name] === user[name];

const sharesPhone = (user: InsertableUser, holder: Holder): boolean =>
  user.phone_verified_at !== null &&
  holder.phone_verified_at !== null &&
  holder.phone === user.phone;

/** Whether another user has anything of this one that must be unique. */
export const isTaken = (user: InsertableUser, holders: readonly Holder[]): boolean =>
  holders.some(
    (holder) =>
      holder.id === user.id ||
      holder.email_key === user.email_key ||
      sharesId(user, holder, 'external_id') ||
      sharesId(user, holder, 'aws_cognito_id') ||
      sharesPhone(user, holder),
  );

interface RefusedRow {
  line: number;
  /** Whether the import has made the id, which follows from the address under a key. */
  isOwnId: boolean;
  user: InsertableUser;
}

/** Why a row was not inserted: it was there already, or another user has something of it. */
export function explainRefusal(
  { line, isOwnId, user }: RefusedRow,
  holders: readonly Holder[],
): RowOutcome {
  const owner = holders.find(({ email_key: key }) => key === user.email_key);
  const namesake = holders.find(({ id }) => id === user.id);
  // Imported before, and since then moved to another address.
  if (isOwnId && namesake) return { line, status: 'existing', id: namesake.id };
  const isSame =
    owner !== undefined && (owner === namesake || sharesId(user, owner, 'external_id'));
  if (isSame) return { line, status: 'existing', id: owner.id };
  const taken = (name: string): RowOutcome =>
    refuseRow(line, 'id_taken', { [name]: 'belongs to another user' });
  if (owner) return refuseRow(line, 'email_taken', { email: 'belongs to another user' });
  if (namesake) return taken('id');
  for (const name of ['external_id', 'aws_cognito_id'] as const)
    if (holders.some((holder) => sharesId(user, holder, name))) return taken(name);
  if (holders.some((holder) => sharesPhone(user, holder)))
    return refuseRow(line, 'phone_taken', { phone: 'is the proved number of another user' });
  // Its holder was deleted since.
  const message = 'met a change of the same moment: send it again';
  return { line, status: 'refused', code: 'conflict', errors: [{ pointer: '', message }] };
}
