import { createWakeUp } from '../concurrency/wake-up.ts';

/** A moment by both clocks, in milliseconds. */
export interface Instant {
  monotonic: number;
  wall: number;
}

/** How long ago a set was last complete, and who has asked for it since when. */
export function createFreshness(now: () => Instant, staleAfterMs: number) {
  const questions = createWakeUp();
  let completeAt: Instant | undefined;
  let askedAt = now().monotonic;

  function ageMs(): number {
    if (!completeAt) return Infinity;
    const { monotonic, wall } = now();
    // The monotonic clock stops while the machine sleeps; the wall clock can be set back.
    return Math.max(monotonic - completeAt.monotonic, wall - completeAt.wall);
  }

  return {
    /** States that the set held everything at this moment. */
    confirm(at: Instant): void {
      completeAt = at;
    },

    /** States that the set is not complete. */
    forget(): void {
      completeAt = undefined;
    },

    ageMs,

    /** Compares clocks, not a timer: after a process pause a request may run first. */
    isFresh(): boolean {
      askedAt = now().monotonic;
      questions.wake();
      return ageMs() <= staleAfterMs;
    },

    /** How long nobody has asked whether the set is fresh. */
    unaskedMs: (): number => now().monotonic - askedAt,

    /** Resolves when somebody asks, after `ms`, or once the signal is aborted. */
    untilAsked: questions.wait,
  };
}
