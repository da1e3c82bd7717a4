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

/** SHA-256 of the seed and a counter: any part of the data has its own, whatever comes before. */
export function createRandom(seed: string): Random {
  let count = 0;
  const next = (): number => {
    count += 1;
    return createHash('sha256').update(`${seed}/${count}`).digest().readUInt32BE() / 2 ** 32;
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
