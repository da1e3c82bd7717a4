import { createPublicKey, hash, verify, type KeyObject } from 'node:crypto';
import { decodeBase64 } from './base64.ts';
import { VerifyError } from '../errors.ts';

// C2SP signed-note v1.0.0, https://c2sp.org/signed-note

/** Signature type of Ed25519 over the note's text. */
export const ED25519 = 0x01;
const ED25519_KEY_BYTES = 32;
/** DER of a SubjectPublicKeyInfo up to the 32 bytes of an Ed25519 key (RFC 8410 §4). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const MAX_NOTE_BYTES = 1_000_000;
const MAX_SIGNATURES = 100;

/** A key that is trusted to sign notes. */
export interface VerifierKey {
  name: string;
  /** The key ID: 32 bits, not a cryptographic hash. */
  id: number;
  publicKey: KeyObject;
}

export interface NoteSignature {
  name: string;
  id: number;
  /** base64 of key ID and signature, as it stands in the note */
  base64: string;
}

/** A note that at least one trusted key has signed. */
export interface OpenedNote {
  /** The signed text, with its last newline. */
  text: string;
  /** Verified signatures, one per trusted key. */
  signatures: NoteSignature[];
  /** Unverified signatures of unknown keys. */
  unknown: NoteSignature[];
}

/** Key ID: the first four bytes of SHA-256(name ‖ 0x0A ‖ type ‖ public key), big-endian. */
export function keyHash(name: string, algorithm: number, publicKey: Uint8Array): number {
  return hash(
    'sha256',
    Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(algorithm), publicKey]),
    'buffer',
  ).readUInt32BE(0);
}

/** Whether a key may have this name: no Unicode space, no plus. */
export const isKeyName = (name: string): boolean =>
  name !== '' && name.isWellFormed() && !/[\p{White_Space}+]/u.test(name);

/**
 * Reads a verifier key, `<name>+<key ID, 8 hex digits>+<base64 (signature type ‖ public key)>`.
 * @throws VerifyError `key_malformed`
 */
export function parseVerifierKey(line: string): VerifierKey {
  const malformed = (what: string): VerifyError =>
    new VerifyError('key_malformed', `not a verifier key: ${what}`);
  const [, name, hex, base64] = /^([^+]*)\+([^+]*)\+(.*)$/s.exec(line) ?? [];
  if (name === undefined || hex === undefined || base64 === undefined)
    throw malformed('it is not <name>+<key ID>+<key>');
  if (!isKeyName(name)) throw malformed('its name is empty or contains spaces');
  if (!/^[0-9a-f]{8}$/.test(hex)) throw malformed('its key ID is not eight hexadecimal digits');
  const key = decodeBase64(base64);
  if (key?.[0] !== ED25519 || key.length !== 1 + ED25519_KEY_BYTES)
    throw malformed('it holds no Ed25519 public key');
  const raw = key.subarray(1);
  const id = keyHash(name, ED25519, raw);
  if (id !== Number.parseInt(hex, 16))
    throw malformed('its key ID is not the one of this name and key');
  return {
    name,
    id,
    publicKey: createPublicKey({
      key: Buffer.concat([SPKI_PREFIX, raw]),
      format: 'der',
      type: 'spki',
    }),
  };
}

/** The line of a verifier key, as `parseVerifierKey` reads it. @param publicKey 32 bytes of Ed25519 */
export function formatVerifierKey(name: string, publicKey: Uint8Array): string {
  const id = keyHash(name, ED25519, publicKey).toString(16).padStart(8, '0');
  return `${name}+${id}+${Buffer.concat([Buffer.of(ED25519), publicKey]).toString('base64')}`;
}

const malformed = (what: string): VerifyError =>
  new VerifyError('note_malformed', `not a signed note: ${what}`);

function parseSignature(line: string): NoteSignature {
  const [, name, base64] = /^\u2014 ([^ ]*) ([^ ]*)$/u.exec(line) ?? [];
  if (name === undefined || base64 === undefined || !isKeyName(name))
    throw malformed('a line below the text is no signature');
  const bytes = decodeBase64(base64);
  if (!bytes || bytes.length < 5)
    throw malformed('a signature is not base64 of a key ID and a signature');
  return { name, id: bytes.readUInt32BE(0), base64 };
}

function decode(note: string | Uint8Array): string {
  if (note.length > MAX_NOTE_BYTES) throw malformed('it is too large');
  if (typeof note === 'string') {
    if (!note.isWellFormed()) throw malformed('it is not UTF-8');
    return note;
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(note);
  } catch {
    throw malformed('it is not UTF-8');
  }
}

/**
 * Opens a signed note. Unknown keys are ignored; a bad signature of a known key is fatal.
 * @throws VerifyError `note_malformed`, `signature_invalid`, `note_unverified`
 */
export function openNote(note: string | Uint8Array, keys: readonly VerifierKey[]): OpenedNote {
  const content = decode(note);
  // oxlint-disable-next-line no-control-regex -- they are what is refused
  if (/[\u0000-\u0009\u000b-\u001f]/.test(content))
    throw malformed('it contains control characters');
  const blank = content.lastIndexOf('\n\n');
  if (blank < 0) throw malformed('it has no blank line before its signatures');
  const text = content.slice(0, blank + 1);
  const lines = content.slice(blank + 2).split('\n');
  if (lines.pop() !== '' || lines.length === 0)
    throw malformed('it does not end with a line of a signature');
  if (lines.length > MAX_SIGNATURES) throw malformed('it has too many signatures');

  const signatures: NoteSignature[] = [];
  const unknown: NoteSignature[] = [];
  const message = Buffer.from(text);
  for (const signature of lines.map(parseSignature)) {
    const key = keys.find(({ name, id }) => name === signature.name && id === signature.id);
    if (!key) {
      unknown.push(signature);
      continue;
    }
    // A second signature of a key is ignored, but an invalid one never is.
    if (
      !verify(null, message, key.publicKey, Buffer.from(signature.base64, 'base64').subarray(4))
    ) {
      throw new VerifyError(
        'signature_invalid',
        `the signature of ${key.name} does not verify: the note was altered or forged`,
      );
    }
    if (!signatures.some(({ name, id }) => name === key.name && id === key.id))
      signatures.push(signature);
  }
  if (signatures.length === 0) {
    const signers = unknown
      .map(({ name, id }) => `${name}+${id.toString(16).padStart(8, '0')}`)
      .join(', ');
    throw new VerifyError(
      'note_unverified',
      `no trusted key has signed this note, only ${signers}`,
    );
  }
  return { text, signatures, unknown };
}
