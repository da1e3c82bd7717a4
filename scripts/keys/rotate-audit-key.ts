/**
 * Puts a new signing key of the audit log before those that a key file holds: `node scripts/keys/rotate-audit-key.ts [--overlap] FILE`. With --overlap
 * the last key signs on beside the new one until the next call. Writes FILE (0600) and FILE.pub; the audit service reads them when it starts.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { rotateKeys, verifierLines } from '@muniment/audit-key';
import { writeAtomically } from '../../packages/cluster/src/write-atomically.ts';

const {
  values: { overlap },
  positionals: [file],
} = parseArgs({
  options: { overlap: { type: 'boolean', default: false } },
  allowPositionals: true,
});
if (file === undefined) {
  console.error('usage: node scripts/keys/rotate-audit-key.ts [--overlap] FILE');
  process.exit(2);
}
const text = rotateKeys(readFileSync(file, 'utf8'), { overlap });
writeAtomically(file, text, { durable: true });
const [newest = '', ...earlier] = verifierLines(text);
writeAtomically(`${file}.pub`, `${[newest, ...earlier].join('\n')}\n`, { durable: true });
console.log(
  `${file} signs with ${newest}\n${overlap ? 'and, until the next rotation, with the key before it' : 'alone'}. Give ${file}.pub to all who check the log, then restart the audit service.`,
);
