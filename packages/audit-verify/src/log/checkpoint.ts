import { decodeBase64 } from './base64.ts';
import { VerifyError } from '../errors.ts';
import { HASH_BYTES } from './merkle.ts';
import { openNote, type NoteSignature, type VerifierKey } from './note.ts';

// C2SP tlog-checkpoint, https://c2sp.org/tlog-checkpoint

/** What a log commits to: its tree of `size` leaves has this root. */
export interface Checkpoint {
  /** The name of the log. */
  origin: string;
  size: number;
  /** 32 bytes */
  root: Buffer;
  /** Lines after the third, opaque. */
  extensions: string[];
}

/**
 * Reads a checkpoint from the text of a note.
 * @throws VerifyError `checkpoint_malformed`
 */
export function parseCheckpoint(text: string): Checkpoint {
  const malformed = (what: string): VerifyError =>
    new VerifyError('checkpoint_malformed', `not a checkpoint: ${what}`);
  const lines = text.split('\n');
  if (lines.pop() !== '') throw malformed('its text does not end with a newline');
  const [origin, size, root, ...extensions] = lines;
  if (size === undefined || root === undefined || lines.includes(''))
    throw malformed('it is not three lines or more, none of them empty');
  if (!/^(0|[1-9][0-9]*)$/.test(size) || !Number.isSafeInteger(Number(size)))
    throw malformed('its size is no number of leaves');
  const hash = decodeBase64(root);
  if (hash?.length !== HASH_BYTES) throw malformed('its root is not the base64 of 32 bytes');
  return { origin: origin as string, size: Number(size), root: hash, extensions };
}

/** Encodes a checkpoint. @throws VerifyError `checkpoint_malformed` if it would not be parsed */
export function formatCheckpoint({
  origin,
  size,
  root,
  extensions = [],
}: Omit<Checkpoint, 'extensions' | 'root'> & {
  root: Uint8Array;
  extensions?: readonly string[];
}): string {
  const text = `${[origin, size, Buffer.from(root).toString('base64'), ...extensions].join('\n')}\n`;
  const again = parseCheckpoint(text);
  if (again.origin !== origin || again.extensions.length !== extensions.length)
    throw new VerifyError('checkpoint_malformed', 'a line of a checkpoint holds no newline');
  return text;
}

export interface SignedCheckpoint extends Checkpoint {
  /** Of trusted keys. */
  signatures: NoteSignature[];
}

/**
 * Opens a signed checkpoint. A trusted key with the log's name must have signed it.
 * @throws VerifyError
 */
export function openCheckpoint(
  note: string | Uint8Array,
  keys: readonly VerifierKey[],
): SignedCheckpoint {
  const { text, signatures } = openNote(note, keys);
  const checkpoint = parseCheckpoint(text);
  if (!signatures.some(({ name }) => name === checkpoint.origin)) {
    throw new VerifyError(
      'note_unverified',
      `the checkpoint is of the log ${checkpoint.origin}, for which none of the trusted keys speaks`,
    );
  }
  return { ...checkpoint, signatures };
}
