import type { Json } from '../json.ts';

/** The messages of seed 002, with our ids and tokens. */
const ID = '0198c5f2-6d3a-7c41-9b1e-3f0a5d7c2e10';
const TOKEN = 'mun_4Zq0m2v8Jx1y7s5t3u9w6a';

export const requests: Readonly<Record<string, Json>> = {
  'auth/register': {
    channel: 'auth/register',
    payload: { name: 'Alice', email: 'alice@example.com', password: 'SecretPass123' },
  },
  'auth/generateToken': {
    channel: 'auth/generateToken',
    payload: { email: 'alice@example.com', password: 'SecretPass123' },
  },
  'user/create': {
    channel: 'user/create',
    apiToken: TOKEN,
    payload: { name: 'Bob', email: 'bob@example.com' },
  },
  'user/read': { channel: 'user/read', apiToken: TOKEN, payload: { id: ID } },
  'user/update': {
    channel: 'user/update',
    apiToken: TOKEN,
    payload: { id: ID, name: 'Bobby', email: 'bobby@example.com' },
  },
  'user/delete': { channel: 'user/delete', apiToken: TOKEN, payload: { id: ID } },
};

export const answers: Readonly<Record<string, Json>> = {
  'auth/register': { success: true, userId: ID },
  'auth/generateToken': { success: true, token: TOKEN, expires_at: '2026-12-07T09:15:00.000Z' },
  'user/create': { success: true, userId: ID },
  'user/read': {
    id: ID,
    name: 'Bob',
    email: 'bob@example.com',
    created_at: '2026-11-30T09:15:00.000Z',
  },
  'user/update': { success: true },
  'user/delete': { success: true },
};

export const failure: Json = {
  success: false,
  error: {
    code: 'message_invalid',
    message: 'The message does not fit its channel: /payload/id must be string.',
    errors: [{ pointer: '/payload/id', message: 'must be string' }],
  },
};

export const tokenExpiring: Json = {
  event: 'token_expiring',
  token_id: '0198c5f2-9e77-7b31-8c4d-2a6f0e1d3b58',
  expires_at: '2026-12-07T09:15:00.000Z',
};

const HASH = 'h3Ykkl3sCwS0wQ0vAeZ7p2oQd9c7rYx0mYz0n1Zr5aE=';

export const checkpoint: Json = {
  size: 1043,
  note:
    'muniment.local/audit\n1043\nqQ7b0w5mS1m5H2oYc3bUuV0p9r5n8d1kT4a6xE2fZ0s=\n\n' +
    '\u2014 muniment.local/audit 8Zk1bT0f...\n',
};

export const streamEnd: Json = {
  reason: 'token_expired',
  message: 'The token has expired. Connect again with a new one.',
};

export const opening: Json = {
  muniment_stream: 1,
  filter: { action: 'FILE_UPLOAD' },
  after: 1039,
  hashes: [HASH, HASH],
};

export const row: Json = {
  event: {
    action: 'FILE_UPLOAD',
    error: null,
    id: '0198c5f3-1b7e-7d10-8f3a-6c2d9e5b4a71',
    lane: 3,
    metadata: { size: 48_213 },
    outcome: 'success',
    personal: null,
    request_id: '5f0c3a1be0d94b0f8a4c2f6d7e8b9a01',
    resource: 'files/0198c5f3-0a11-7e2f-a6c7-5b9d1f3e8c44',
    resource_type: 'file',
    seq: 417,
    session_id: null,
    source: 'file',
    tenant_id: null,
    timestamp: '2026-11-30T09:15:00.000Z',
    traceparent: null,
    user_id: ID,
    version: 1,
  },
  index: 1042,
  hash: HASH,
  personal: null,
};

export const gap: Json = { gap: [1040, 1042], hashes: [HASH] };

export const entry: Json = {
  index: 1042,
  id: '0198c5f3-1b7e-7d10-8f3a-6c2d9e5b4a71',
  user_id: ID,
  action: 'FILE_UPLOAD',
  outcome: 'success',
  resource: 'files/0198c5f3-0a11-7e2f-a6c7-5b9d1f3e8c44',
  resource_type: 'file',
  ip: '203.0.113.7',
  user_agent: 'Mozilla/5.0',
  email: 'alice@example.com',
  metadata: { filename: 'contract.pdf', size: 48_213 },
  error: null,
  session_id: '0198c5f2-6d3b-7a02-8d55-91c4e6b7a3f2',
  request_id: '5f0c3a1be0d94b0f8a4c2f6d7e8b9a01',
  traceparent: null,
  tenant_id: null,
  source: 'file',
  lane: 3,
  seq: 417,
  timestamp: '2026-11-30T09:15:00.000Z',
  version: 1,
};
