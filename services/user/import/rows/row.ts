/** A row of an import as it was sent. */
export interface SentRow {
  /** The line of the file in which it ends, from 1. */
  line: number;
  /** Undefined for a row that cannot be read. */
  fields?: Readonly<Record<string, unknown>>;
  fault?: RowFault;
}

/** Why a row is refused: a stable code, and each field that is at fault. */
export interface RowFault {
  code: string;
  errors: { pointer: string; message: string }[];
}

/** Refuses one row; the others go on. */
export class RowRefused extends Error {
  override readonly name = 'RowRefused';
  readonly fault: RowFault;

  constructor(code: string, errors: RowFault['errors']) {
    super(code);
    this.fault = { code, errors };
  }
}

export const refuseField = (name: string, message: string): RowRefused =>
  new RowRefused('validation_failed', [{ pointer: `/${name}`, message }]);

/** What an import knows of a user, by our names, before it is checked. */
export interface RawUser {
  id?: unknown;
  external_id?: unknown;
  aws_cognito_id?: unknown;
  type?: unknown;
  status?: unknown;
  email?: unknown;
  /** Whether, or since when, the address is proved. */
  email_verified?: unknown;
  verified_at?: unknown;
  phone?: unknown;
  phone_verified?: unknown;
  name?: unknown;
  first_name?: unknown;
  last_name?: unknown;
  post_code?: unknown;
  country?: unknown;
  city?: unknown;
  is_profile_updated?: unknown;
  is_profile_reverified?: unknown;
  profile_reverified_at?: unknown;
  created?: unknown;
  /** As the other system made it; null where there is none. */
  password_hash?: unknown;
}
