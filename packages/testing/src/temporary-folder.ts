import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Teardown } from './teardown.ts';

/**
 * A folder for a server of this test, removed after later teardowns.
 * `t.testdir()` may be removed while the server still writes.
 */
export async function temporaryFolder(t: Teardown): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'muniment-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
