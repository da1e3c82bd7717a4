import { VerifyError } from '@muniment/audit-verify';
import type { NoteSigner } from './signing-key.ts';

/**
 * Signs a text as a C2SP signed note, by every signer.
 * @throws VerifyError `note_malformed` for a text that no note can hold
 */
export async function signNote(text: string, signers: readonly NoteSigner[]): Promise<string> {
  if (!text.endsWith('\n'))
    throw new VerifyError('note_malformed', 'the text of a note ends with a newline');
  const lines = await Promise.all(
    signers.map(async ({ name, keyId, sign }) => {
      const id = Buffer.alloc(4);
      id.writeUInt32BE(keyId);
      return `\u2014 ${name} ${Buffer.concat([id, await sign(Buffer.from(text))]).toString('base64')}\n`;
    }),
  );
  return `${text}\n${lines.join('')}`;
}
