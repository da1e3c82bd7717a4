import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  type KeyObject,
} from 'node:crypto';
import {
  ED25519,
  formatVerifierKey,
  isKeyName,
  keyHash,
  parseVerifierKey,
  type VerifierKey,
} from '@muniment/audit-verify';
import { AuditKeyError } from './errors.ts';

/**
 * Signs notes. Shaped like AWS KMS Sign, hence asynchronous: a deployment whose key lies in KMS or an HSM puts its own object in this place and
 * nothing else changes.
 */
export interface NoteSigner {
  /** Of the key, and so of the log. */
  readonly name: string;
  readonly keyId: number;
  /** What those who check its signatures need. */
  readonly verifier: VerifierKey;
  /** Ed25519 over the message, 64 bytes. */
  sign(message: Buffer): Promise<Buffer>;
}

// The form of a signing key is that of Go's golang.org/x/mod/sumdb/note, whose verifier keys are those of C2SP signed-note.
const PREFIX = 'PRIVATE+KEY';
const SEED_BYTES = 32;
/** DER of a PrivateKeyInfo up to the 32 bytes of an Ed25519 seed (RFC 8410 §7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

const rawPublicKey = (key: KeyObject): Buffer =>
  createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-SEED_BYTES);

/** A new key: the line to keep secret and the line to give to those who check. @throws AuditKeyError `audit_key_malformed` for a name that is none */
export function generateSigningKey(name: string): { signingKey: string; verifierKey: string } {
  if (!isKeyName(name))
    throw new AuditKeyError('audit_key_malformed', "a key's name has no spaces and no plus");
  const { privateKey } = generateKeyPairSync('ed25519');
  const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-SEED_BYTES);
  const publicKey = rawPublicKey(privateKey);
  const id = keyHash(name, ED25519, publicKey).toString(16).padStart(8, '0');
  return {
    signingKey: `${PREFIX}+${name}+${id}+${Buffer.concat([Buffer.of(ED25519), seed]).toString('base64')}`,
    verifierKey: formatVerifierKey(name, publicKey),
  };
}

export const isSigningKey = (line: string): boolean => line.startsWith(`${PREFIX}+`);

/** The verifier key's line that belongs to a signing key's. @throws AuditKeyError `audit_key_malformed` */
export function parseSigningKey(line: string): {
  name: string;
  key: KeyObject;
  verifierKey: string;
} {
  const [, name = '', id = '', base64 = ''] =
    /^PRIVATE\+KEY\+([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(line) ?? [];
  const bytes = Buffer.from(base64, 'base64');
  if (
    !isKeyName(name) ||
    bytes.length !== 1 + SEED_BYTES ||
    bytes[0] !== ED25519 ||
    bytes.toString('base64') !== base64
  ) {
    throw new AuditKeyError(
      'audit_key_malformed',
      'not a signing key: PRIVATE+KEY+<name>+<key ID>+<base64 of an Ed25519 seed>',
    );
  }
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, bytes.subarray(1)]),
    format: 'der',
    type: 'pkcs8',
  });
  const publicKey = rawPublicKey(key);
  if (keyHash(name, ED25519, publicKey) !== Number.parseInt(id, 16))
    throw new AuditKeyError(
      'audit_key_malformed',
      `the key ID of ${name} is not that of its key: the line was altered`,
    );
  return { name, key, verifierKey: formatVerifierKey(name, publicKey) };
}

/** A signer from a signing key's line. @throws AuditKeyError `audit_key_malformed` */
export function createSigner(line: string): NoteSigner {
  const { name, key, verifierKey } = parseSigningKey(line);
  const verifier = parseVerifierKey(verifierKey);
  return { name, keyId: verifier.id, verifier, sign: async (message) => sign(null, message, key) };
}
