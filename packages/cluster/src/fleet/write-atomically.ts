import { renameSync, writeFileSync } from 'node:fs';

/** Replaces the file in one step, mode 0600: a reader sees the old or the new text, never a part. */
export function writeAtomically(file: string, text: string): void {
  const partial = `${file}.${process.pid}.new`;
  writeFileSync(partial, text, { mode: 0o600 });
  renameSync(partial, file);
}
