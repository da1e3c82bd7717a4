import type { PlannedAction } from '../plan/plan-actions.ts';
import type { Account } from './account.ts';
import type { Client } from './create-client.ts';

/** One planned action of a client that is signed in. */
export interface Turn {
  client: Client;
  account: Account;
  token: string;
  action: PlannedAction;
}
