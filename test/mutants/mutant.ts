import type { Mutation } from '../chaos/planted-bugs.ts';

/** A one-line mistake in critical code, and the tests of which at least one must fail. */
export interface Mutant extends Mutation {
  /** What goes wrong, as a name: `spent-token-forgotten`. */
  name: string;
  /** Test files, the nearest first. */
  tests: string[];
}
