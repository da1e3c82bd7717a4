/** The cost of argon2id: memory in KiB, passes, parallelism. */
export interface Argon2Cost {
  memoryKiB: number;
  passes: number;
  parallelism: number;
}

const PARAMETERS = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$/;

const base64 = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');

/** Encodes a PHC string with m, t, p in the order that other implementations require. */
export function encodeHash(cost: Argon2Cost, salt: Buffer, hash: Buffer): string {
  const parameters = `m=${cost.memoryKiB},t=${cost.passes},p=${cost.parallelism}`;
  return `$argon2id$v=19$${parameters}$${base64(salt)}$${base64(hash)}`;
}

function costOf(hash: string): Argon2Cost {
  const [, memoryKiB, passes, parallelism] = PARAMETERS.exec(hash) ?? [];
  return { memoryKiB: Number(memoryKiB), passes: Number(passes), parallelism: Number(parallelism) };
}

/** Whether a hash is below the configured cost. A lowered setting weakens no stored hash. */
export function needsRehash(hash: string, cost: Argon2Cost): boolean {
  const { memoryKiB, passes, parallelism } = costOf(hash);
  return !(memoryKiB >= cost.memoryKiB && passes >= cost.passes && parallelism >= cost.parallelism);
}

/** How many passes over the configured memory a hash lacks. Time is memory × passes. */
export function missingPasses(hash: string, cost: Argon2Cost): number {
  const { memoryKiB, passes } = costOf(hash);
  return Math.round((cost.memoryKiB * cost.passes - memoryKiB * passes) / cost.memoryKiB);
}
