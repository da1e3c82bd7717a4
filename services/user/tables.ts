import type { Generated, Selectable } from 'kysely';
import type { Role } from '@muniment/security';

export interface UsersTable {
  id: string;
  type: Generated<Role>;
  status: Generated<'active' | 'inactive' | 'suspended' | 'pending'>;
  is_verified: Generated<boolean>;
  name: string | null;
  first_name: string | null;
  last_name: string | null;
  email: string;
  email_key: string;
  password_hash: string | null;
  created: Generated<Date>;
  updated: Generated<Date>;
}

export interface SessionsTable {
  id: string;
  user_id: string;
  ip: string | null;
  user_agent: string | null;
  created: Generated<Date>;
  last_seen: Generated<Date>;
  /** An interval, as PostgreSQL writes one. */
  idle_timeout: string;
  expires_at: Date;
  revoked_at: Date | null;
  revoked_reason: string | null;
}

export interface RefreshTokensTable {
  token_hash: Buffer;
  session_id: string;
  created: Generated<Date>;
  expires_at: Date;
  spent_at: Date | null;
  sealed_child: Buffer | null;
}

export interface Tables {
  'identity.users': UsersTable;
  'identity.sessions': SessionsTable;
  'identity.refresh_tokens': RefreshTokensTable;
  'shared.erasures': { user_id: string; identity_done: Generated<boolean> };
}

export type Session = Selectable<SessionsTable>;
export type User = Selectable<UsersTable>;
