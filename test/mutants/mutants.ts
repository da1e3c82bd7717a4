import type { Mutant } from './mutant.ts';
import { FEED_MUTANTS } from './feed-mutants.ts';

/** By room of the code. */
export const MUTANTS: Record<string, Mutant[]> = { feed: FEED_MUTANTS };
