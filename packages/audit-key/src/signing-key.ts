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
 * Signs notes. Its shape is AWS KMS Sign, hence asynchronous.
 * A deployment whose key lies in KMS or an HSM replaces this object and nothing else.
 */
export interface NoteSigner {
  /** The name of the key, which is the log's. */
  readonly name: string;
  readonly keyId: number;
  readonly verifier: VerifierKey;
  /** Ed25519 over the message, 64 bytes. */
  sign(message: Buffer): Promise<Buffer>;
}

// Signing keys have the format of Go's golang.org/x/mod/sumdb/note; its verifier keys are C2SP's.
const PREFIX = 'PRIVATE+KEY';
const SIGNING_KEY = /^PRIVATE\+KEY\+([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/;
const SEED_BYTES = 32;
/** DER of a PrivateKeyInfo up to the 32 bytes of an Ed25519 seed (RFC 8410 §7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

const rawPublicKey = (key: KeyObject): Buffer =>
  createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-SEED_BYTES);

/**
 * Generates a key pair: the secret line for the key file and the verifier line to publish.
 * @throws AuditKeyError `audit_key_malformed` for a name that no key can have
 */
export function generateSigningKey(name: string): { signingKey: string; verifierKey: string } {
  if (!isKeyName(name))
    throw new AuditKeyError(
      'audit_key_malformed',
      'The name of a key must not be empty or hold a space or a plus.',
    );
  const { privateKey } = generateKeyPairSync('ed25519');
  const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-SEED_BYTES);
  const publicKey = rawPublicKey(privateKey);
  const id = keyHash(name, ED25519, publicKey).toString(16).padStart(8, '0');
  const secret = Buffer.concat([Buffer.of(ED25519), seed]).toString('base64');
  return {
    signingKey: `${PREFIX}+${name}+${id}+${secret}`,
    verifierKey: formatVerifierKey(name, publicKey),
  };
}

export const isSigningKey = (line: string): boolean => line.startsWith(`${PREFIX}+`);

interface ParsedSigningKey {
  name: string;
  key: KeyObject;
  verifierKey: string;
}

/** Parses a signing key's line. @throws AuditKeyError `audit_key_malformed` */
export function parseSigningKey(line: string): ParsedSigningKey {
  const [, name = '', id = '', base64 = ''] = SIGNING_KEY.exec(line) ?? [];
  const bytes = Buffer.from(base64, 'base64');
  if (
    !isKeyName(name) ||
    bytes.length !== 1 + SEED_BYTES ||
    bytes[0] !== ED25519 ||
    bytes.toString('base64') !== base64
  ) {
    throw new AuditKeyError(
      'audit_key_malformed',
      'A signing key must be PRIVATE+KEY+<name>+<key ID>+<base64 of an Ed25519 seed>.',
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
      `The line of ${name} was altered: its key ID is that of another key. Restore the line.`,
    );
  return { name, key, verifierKey: formatVerifierKey(name, publicKey) };
}

/** Creates a signer from a signing key's line. @throws AuditKeyError `audit_key_malformed` */
export function createSigner(line: string): NoteSigner {
  const { name, key, verifierKey } = parseSigningKey(line);
  const verifier = parseVerifierKey(verifierKey);
  return { name, keyId: verifier.id, verifier, sign: async (message) => sign(null, message, key) };
}
