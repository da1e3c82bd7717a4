import { readFile, stat } from 'node:fs/promises';
import { masterKeyError } from './errors.ts';
import { createMasterKey, wrappedBy, type MasterKey } from './master-key.ts';

interface Ring {
  /** The newest: it wraps. */
  newest: MasterKey;
  byId: ReadonlyMap<string, MasterKey>;
  /** Changes with the file. */
  version: string;
}

const versionOf = async (file: string): Promise<string> => {
  const { mtimeMs, size, ino } = await stat(file);
  return `${ino}/${size}/${mtimeMs}`;
};

/** The keys of a master key file, newest first. @throws naming the file and never its content */
export const parseMasterKeys = (text: string, file: string): MasterKey[] =>
  text
    .trimEnd()
    .split(/\r?\n/)
    .map((line) => {
      const key = Buffer.from(line, 'base64');
      // Buffer.from skips what is not base64, so a damaged line could still give 32 bytes: only the exact form counts.
      if (key.length !== 32 || key.toString('base64') !== line) {
        throw masterKeyError(
          'master_key_malformed',
          `master key file ${file} must hold 32 bytes in base64 on each line`,
        );
      }
      return createMasterKey(key);
    });

async function readRing(file: string): Promise<Ring> {
  try {
    const version = await versionOf(file);
    const keys = parseMasterKeys(await readFile(file, 'utf8'), file);
    const [newest] = keys;
    const byId = new Map(keys.map((key) => [key.id, key]));
    if (!newest || byId.size < keys.length)
      throw masterKeyError('master_key_malformed', `master key file ${file} holds a key twice`);
    return { newest, byId, version };
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'master_key_malformed')
      throw cause;
    throw masterKeyError('master_key_unreadable', `master key file ${file} cannot be read`, cause);
  }
}

/**
 * Reads a master key file: 32 bytes in base64 on each line, the newest first. The first key wraps, all of them unwrap: so the key can be changed
 * on a running fleet. The file is read again when it has changed before something is wrapped, and when something was wrapped by a key that is
 * not known; one that cannot be read then leaves the keys as they are. Errors name the file and never its content. The mode is not checked:
 * Docker mounts secrets as 0444, and refusing those would teach people to copy keys elsewhere.
 */
export const loadMasterKey = async (file: string): Promise<MasterKey> => {
  let ring = await readRing(file);

  async function refresh(): Promise<Ring> {
    try {
      if ((await versionOf(file)) !== ring.version) ring = await readRing(file);
    } catch {
      // In the middle of being replaced, or the mount is away. What was readable stays so; a start would say what is wrong.
    }
    return ring;
  }

  return {
    get id() {
      return ring.newest.id;
    },
    wrap: async (plaintext, context) => (await refresh()).newest.wrap(plaintext, context),
    async unwrap(wrapped, context) {
      const by = wrappedBy(wrapped);
      const key =
        by === undefined ? undefined : (ring.byId.get(by) ?? (await refresh()).byId.get(by));
      // The newest refuses it and says which key it was.
      return (key ?? ring.newest).unwrap(wrapped, context);
    },
  };
};
