import { createHash } from 'node:crypto';

/** Choices that depend on the seed alone, so that every run makes the same ones. */
export interface Random {
  /** From 0 up to, and without, 1. */
  next(): number;
  /** Both bounds included. */
  integer(min: number, max: number): number;
  pick<Value>(values: readonly Value[]): Value;
  chance(probability: number): boolean;
}

/** What one SHA-256 is good for. */
const NUMBERS_PER_BLOCK = 8;

/** SHA-256 of the seed and a counter: any part of the data has its own, whatever comes before. */
export function createRandom(seed: string): Random {
  let count = 0;
  let block = Buffer.alloc(0);
  const next = (): number => {
    const index = count % NUMBERS_PER_BLOCK;
    if (index === 0) block = createHash('sha256').update(`${seed}/${count}`).digest();
    count += 1;
    return block.readUInt32BE(index * 4) / 2 ** 32;
  };
  const integer = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1));
  return {
    next,
    integer,
    chance: (probability) => next() < probability,
    pick<Value>(values: readonly Value[]) {
      return values[integer(0, values.length - 1)] as Value;
    },
  };
}
