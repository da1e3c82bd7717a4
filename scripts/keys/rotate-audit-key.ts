/**
 * `node scripts/keys/rotate-audit-key.ts [--overlap] [--shared] FILE`: adds a new signing key.
 * With --overlap the last key signs beside it until the next call. Writes FILE (0600) and FILE.pub;
 * with --shared all may read them, since in containers the services run as another user.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { rotateKeys, verifierLines } from '@muniment/audit-key';
import { writeAtomically } from '../../packages/cluster/src/write-atomically.ts';

const {
  values: { overlap, shared },
  positionals: [file],
} = parseArgs({
  options: {
    overlap: { type: 'boolean', default: false },
    shared: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
if (file === undefined) {
  console.error('usage: node scripts/keys/rotate-audit-key.ts [--overlap] [--shared] FILE');
  process.exit(2);
}
const text = rotateKeys(readFileSync(file, 'utf8'), { overlap });
const mode = shared ? 0o444 : 0o600;
const verifiers = verifierLines(text);
const [newest = ''] = verifiers;
// The public line first: a service never signs with a key that nobody can find.
writeAtomically(`${file}.pub`, `${verifiers.join('\n')}\n`, { durable: true, mode });
writeAtomically(file, text, { durable: true, mode });
console.log(
  [
    `${file} signs with ${newest}`,
    overlap ? 'and, until the next rotation, with the key before it.' : 'alone.',
    `Publish ${file}.pub to the verifiers of the log, then restart the audit service.`,
  ].join('\n'),
);
