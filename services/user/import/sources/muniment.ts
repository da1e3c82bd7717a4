import { RowRefused, type RawUser } from '../rows/row.ts';

type Fields = Readonly<Record<string, unknown>>;

/** The names of the directory and of its export. */
const TAKEN = [
  'id',
  'external_id',
  'aws_cognito_id',
  'type',
  'status',
  'email',
  'email_verified',
  'email_verified_at',
  'phone',
  'phone_verified',
  'phone_verified_at',
  'verified_at',
  'name',
  'first_name',
  'last_name',
  'post_code',
  'country',
  'city',
  'is_profile_updated',
  'is_profile_reverified',
  'profile_reverified_at',
  'created',
  'password_hash',
];
/** In an export; here they are said of the import. */
const IGNORED = ['created_by', 'updated', 'updated_by', 'last_active_on'];

const KNOWN = new Set([...TAKEN, ...IGNORED]);
/** A report holds no more of a row than this. */
const MAX_ERRORS = 3;
const MAX_NAME_LENGTH = 100;

/** @throws RowRefused for a field that nobody knows, which is most often misspelt */
export function fromMuniment(fields: Fields): RawUser {
  const unknown = Object.keys(fields).filter((name) => !KNOWN.has(name));
  if (unknown.length > 0)
    throw new RowRefused(
      'validation_failed',
      unknown
        .slice(0, MAX_ERRORS)
        .map((name) => ({
          pointer: `/${name.slice(0, MAX_NAME_LENGTH)}`,
          message: 'is not a field of an import',
        })),
    );
  if (typeof fields.password_hash === 'object' && fields.password_hash !== null)
    throw new RowRefused('validation_failed', [
      { pointer: '/password_hash', message: 'must be a text' },
    ]);
  return {
    ...fields,
    email_verified: readEither(fields, 'email_verified'),
    phone_verified: readEither(fields, 'phone_verified'),
  };
}

/** The time of a proof, or whether there is one. @throws RowRefused where both are given */
function readEither(fields: Fields, name: 'email_verified' | 'phone_verified'): unknown {
  const [flag, time] = [fields[name], fields[`${name}_at`]];
  if (time === undefined || time === null || time === '') return flag;
  if (flag === undefined || flag === null || flag === '') return time;
  throw new RowRefused('validation_failed', [
    { pointer: `/${name}`, message: `must not stand beside ${name}_at` },
  ]);
}
