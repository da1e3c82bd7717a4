import { decodeBase64, ForeignHashFault, type ForeignHash } from '@muniment/security';
import { refuseBadHash } from '../rows/read-user.ts';
import { readFlag } from '../rows/read-values.ts';
import type { RawUser } from '../rows/row.ts';

type Fields = Readonly<Record<string, unknown>>;

/** The parameters that a Firebase project shows for its hashes, with the key stored. */
export interface FirebaseParameters {
  keyId: string;
  separator: Buffer;
  blockSize: number;
  logCost: number;
}

/** The parameters as Firebase shows them. */
export interface SentParameters extends Omit<FirebaseParameters, 'keyId'> {
  signerKey: Buffer;
}

/**
 * Reads `hash_config` as Firebase's console shows it.
 * @throws RowRefused
 */
export function readFirebaseParameters(config: unknown): SentParameters {
  const fields = (typeof config === 'object' && config !== null ? config : {}) as Fields;
  return refuseBadHash(() => {
    if (fields.algorithm !== 'SCRYPT')
      throw new ForeignHashFault('Of Firebase only the algorithm SCRYPT is taken.');
    return {
      signerKey: readBytes(fields.base64_signer_key),
      separator:
        (fields.base64_salt_separator ?? '') === ''
          ? Buffer.alloc(0)
          : readBytes(fields.base64_salt_separator),
      blockSize: Number(fields.rounds),
      logCost: Number(fields.mem_cost),
    };
  });
}

/** @throws ForeignHashFault */
function readBytes(value: unknown): Buffer {
  if (typeof value !== 'string') throw new ForeignHashFault('A key or salt is missing.');
  return decodeBase64(value);
}

/** The users of `firebase auth:export`; other fields are ignored. */
export function fromFirebase(fields: Fields, parameters: FirebaseParameters | undefined): RawUser {
  return {
    external_id: fields.localId,
    email: fields.email,
    email_verified: fields.emailVerified,
    phone: fields.phoneNumber,
    // Firebase stores only numbers that a code has proved.
    phone_verified: fields.phoneNumber === undefined ? false : fields.createdAt,
    name: fields.displayName,
    status: readFlag(fields.disabled) === true ? 'suspended' : 'active',
    created: fields.createdAt,
    password_hash: refuseHash(fields, parameters),
  };
}

function refuseHash(fields: Fields, parameters: FirebaseParameters | undefined): unknown {
  const { passwordHash, salt } = fields;
  if (typeof passwordHash !== 'string' || passwordHash === '') return null;
  return refuseBadHash((): ForeignHash => {
    if (!parameters)
      throw new ForeignHashFault('The first line must give the hash_config of the project.');
    const { separator, keyId, blockSize, logCost } = parameters;
    return {
      algorithm: 'firebase-scrypt',
      logCost,
      blockSize,
      keyId,
      salt: Buffer.concat([readBytes(salt), separator]),
      digest: decodeBase64(passwordHash),
    };
  });
}
