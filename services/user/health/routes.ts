import { defineFeature } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { getHealth } from './get-health.ts';

/** Health as clients see it. Each replica has probes of its own, besides. */
export const health = defineFeature<UserContext>({ anyone: [getHealth] });
