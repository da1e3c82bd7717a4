import { readFile, stat } from 'node:fs/promises';
import { MasterKeyError } from './errors.ts';
import { createMasterKey, wrappedBy, type MasterKey } from './master-key.ts';

interface KeyRing {
  /** The key that wraps. */
  newest: MasterKey;
  byId: ReadonlyMap<string, MasterKey>;
  /** Changes with the file. */
  fileVersion: string;
}

async function readFileVersion(file: string): Promise<string> {
  const { mtimeMs, size, ino } = await stat(file);
  return `${ino}/${size}/${mtimeMs}`;
}

function parseKeyLine(line: string, file: string): MasterKey {
  const key = Buffer.from(line, 'base64');
  // Buffer.from skips characters outside base64, so a damaged line could still give 32 bytes.
  if (key.length !== 32 || key.toString('base64') !== line) {
    throw new MasterKeyError(
      'master_key_malformed',
      `The master key file ${file} is malformed. Write 32 bytes in base64 on each line.`,
    );
  }
  return createMasterKey(key);
}

/**
 * Parses the text of a master key file, newest key first.
 * @throws MasterKeyError `master_key_malformed`, which names the file and never its content
 */
export function parseMasterKeys(text: string, file: string): MasterKey[] {
  return text
    .trimEnd()
    .split(/\r?\n/)
    .map((line) => parseKeyLine(line, file));
}

async function readKeyRing(file: string): Promise<KeyRing> {
  try {
    const fileVersion = await readFileVersion(file);
    const keys = parseMasterKeys(await readFile(file, 'utf8'), file);
    const [newest] = keys;
    const byId = new Map(keys.map((key) => [key.id, key]));
    if (!newest || byId.size < keys.length)
      throw new MasterKeyError(
        'master_key_malformed',
        `The master key file ${file} holds a key twice. Delete one of the lines.`,
      );
    return { newest, byId, fileVersion };
  } catch (cause) {
    if (cause instanceof MasterKeyError) throw cause;
    throw new MasterKeyError(
      'master_key_unreadable',
      `The master key file ${file} cannot be read. Check its path and mode.`,
      { cause },
    );
  }
}

/**
 * Opens a master key file: 32 bytes in base64 on each line, newest first. The first key wraps, all
 * unwrap.
 * A changed file is read again, so that keys rotate without a restart; an unreadable one changes
 * nothing.
 * The mode is not checked: Docker mounts secrets as 0444.
 * @throws MasterKeyError
 */
export async function loadMasterKey(file: string): Promise<MasterKey> {
  let ring = await readKeyRing(file);

  async function refresh(): Promise<KeyRing> {
    try {
      if ((await readFileVersion(file)) !== ring.fileVersion) ring = await readKeyRing(file);
    } catch {
      // The file is being replaced or its mount is away: the keys read before stay valid.
    }
    return ring;
  }

  return {
    get id() {
      return ring.newest.id;
    },
    wrap: async (plaintext, context) => (await refresh()).newest.wrap(plaintext, context),
    async unwrap(wrapped, context) {
      const id = wrappedBy(wrapped);
      const key =
        id === undefined ? undefined : (ring.byId.get(id) ?? (await refresh()).byId.get(id));
      // For an unknown key the newest one throws the error that names both keys.
      return (key ?? ring.newest).unwrap(wrapped, context);
    },
  };
}
