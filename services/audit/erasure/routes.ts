import { defineFeature } from '@muniment/server';
import type { AuditContext } from '../context.ts';
import { eraseSubject } from './erase-subject.ts';

/** Erasures of tenants' subjects. Those of users are ordered by deleting the account. */
export const erasure = defineFeature<AuditContext>({ administrators: [eraseSubject] });
