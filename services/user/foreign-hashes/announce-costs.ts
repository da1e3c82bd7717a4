import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { Tables } from '../tables.ts';
import { COSTS_TTL_MS } from './failure-floor.ts';
import { saveHashCosts, type HashCost } from './foreign-hash-queries.ts';

/** An older cost is known to every replica, even if its commit was slow. */
const KNOWN_AFTER_MS = 60_000;
/** A timer may end a little early. */
const MARGIN_MS = 50;

/**
 * Announces how long hashes take, before such hashes are stored: it returns once failed logins take
 * that time at every replica. Otherwise the first two seconds would tell who was imported.
 */
export function createCostAnnouncer(
  db: Kysely<Tables>,
): (costs: readonly HashCost[]) => Promise<void> {
  const announced = new Set<string>();
  return async (costs) => {
    const fresh = new Map(
      costs
        .filter(({ cost_class: costClass }) => !announced.has(costClass))
        .map((cost) => [cost.cost_class, cost]),
    );
    if (fresh.size === 0) return;
    const age = await saveHashCosts(db, [...fresh.values()]);
    if (age < KNOWN_AFTER_MS) await sleep(COSTS_TTL_MS + MARGIN_MS);
    for (const costClass of fresh.keys()) announced.add(costClass);
  };
}
