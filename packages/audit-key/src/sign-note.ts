import { VerifyError } from '@muniment/audit-verify';
import type { NoteSigner } from './signing-key.ts';

async function signatureLine({ name, keyId, sign }: NoteSigner, text: string): Promise<string> {
  const id = Buffer.alloc(4);
  id.writeUInt32BE(keyId);
  const signature = Buffer.concat([id, await sign(Buffer.from(text))]);
  return `\u2014 ${name} ${signature.toString('base64')}\n`;
}

/**
 * Signs a text as a C2SP signed note, by every signer.
 * @throws VerifyError `note_malformed` for a text without a newline at its end
 */
export async function signNote(text: string, signers: readonly NoteSigner[]): Promise<string> {
  if (!text.endsWith('\n'))
    throw new VerifyError('note_malformed', 'The text of a note must end with a newline.');
  const lines = await Promise.all(signers.map((signer) => signatureLine(signer, text)));
  return `${text}\n${lines.join('')}`;
}
