import { defineFeature } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { getHealth } from './get-health.ts';

/** Health as clients see it. Replicas have their own probes. */
export const health = defineFeature<UserContext>({ anyone: [getHealth] });
