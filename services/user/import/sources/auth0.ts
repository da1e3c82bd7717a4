import {
  decodeBase64,
  ForeignHashFault,
  parseForeignHash,
  readLogCost,
  type ForeignHash,
} from '@muniment/security';
import { refuseBadHash } from '../rows/read-user.ts';
import { readFlag } from '../rows/read-values.ts';
import type { RawUser } from '../rows/row.ts';

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** MongoDB's extended JSON, in which Auth0 hands out hashes. */
const unwrap = (value: unknown, name: '$oid' | '$date'): unknown =>
  isObject(value) ? value[name] : value;

/** As the `sub` of Auth0's tokens names the user. */
function externalIdOf({ user_id: userId, _id: id }: Fields): unknown {
  const given = userId ?? unwrap(id, '$oid');
  return typeof given === 'string' && !given.includes('|') ? `auth0|${given}` : given;
}

/** The names of Auth0's bulk import schema and of its export; others are ignored. */
export function fromAuth0(fields: Fields): RawUser {
  return {
    external_id: externalIdOf(fields),
    email: fields.email,
    email_verified: fields.email_verified,
    phone: fields.phone_number,
    phone_verified: fields.phone_verified,
    name: fields.name,
    first_name: fields.given_name,
    last_name: fields.family_name,
    status: readFlag(fields.blocked) === true ? 'suspended' : 'active',
    created: unwrap(fields.created_at, '$date'),
    password_hash: hashOf(fields),
  };
}

function hashOf(fields: Fields): unknown {
  const custom = fields.custom_password_hash;
  if (isObject(custom)) return refuseBadHash(() => readCustomHash(custom));
  const hash = fields.passwordHash ?? fields.password_hash;
  return typeof hash === 'string' ? hash : null;
}

function readBytes(value: unknown): Buffer {
  const { value: text, encoding = 'utf8' } = isObject(value) ? value : {};
  if (typeof text !== 'string') throw new ForeignHashFault('The salt or the hash is missing.');
  if (encoding === 'base64') return decodeBase64(text);
  if (encoding === 'hex' && /^([0-9a-f]{2})+$/i.test(text)) return Buffer.from(text, 'hex');
  if (encoding === 'utf8') return Buffer.from(text);
  throw new ForeignHashFault('The encoding must be base64, hex or utf8.');
}

/** @throws ForeignHashFault */
function readCustomHash({ algorithm, hash, salt, ...parameters }: Fields): ForeignHash {
  const { password } = parameters;
  if (isObject(password) && (password.encoding ?? 'utf8') !== 'utf8')
    throw new ForeignHashFault('The password must be hashed as UTF-8.');
  if (algorithm !== 'scrypt') {
    const text = isObject(hash) ? hash.value : undefined;
    if (typeof text !== 'string') throw new ForeignHashFault('The hash is missing.');
    return parseForeignHash(text);
  }
  return {
    algorithm: 'scrypt',
    logCost: readLogCost(Number(parameters.cost)),
    blockSize: Number(parameters.blockSize),
    parallelism: Number(parameters.parallelization),
    salt: salt === undefined ? Buffer.alloc(0) : readBytes(salt),
    digest: readBytes(hash),
  };
}
