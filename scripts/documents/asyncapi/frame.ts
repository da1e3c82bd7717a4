import { CLOSE_CODES } from '../../../services/user/web-socket/server-messages.ts';
import type { JsonObject } from '../json.ts';

/** What the AsyncAPI document says besides its channels. */
export const ASYNC_INFO: JsonObject = {
  title: 'Muniment: live connections',
  version: '0.1.0',
  description:
    'The WebSocket, whose messages are requests with an answer each, and the stream of the audit ' +
    'trail as server-sent events. All else is in the OpenAPI document, /api/openapi.json.',
  license: { name: 'MIT' },
};

const host = {
  host: '{host}',
  variables: { host: { default: 'localhost:8443', description: 'Where the gateway listens.' } },
};

export const SERVERS: JsonObject = {
  web_socket: { ...host, protocol: 'wss', description: 'The gateway, over HTTP/1.1.' },
  http: { ...host, protocol: 'https', description: 'The gateway.' },
};

export const ASYNC_SECURITY: JsonObject = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    description: 'An access token, an API token or a viewer token in the header Authorization.',
  },
  session_cookie: {
    type: 'httpApiKey',
    in: 'cookie',
    name: 'secure',
    description: 'With login_info, as a sign-in with ?session=cookie sets them.',
  },
};

export const SOCKET_TEXT = {
  channel: [
    'A message is JSON text, `{ channel, payload, apiToken? }`. Messages are answered one after ' +
      'the other, in their order: the n-th answer belongs to the n-th message. What the server ' +
      'says by itself has the member `event`, which no answer has. The connection itself grants ' +
      'nothing, since each message carries its API token.',
    'A socket watches the tokens that were used on it. It says `token_expiring` a minute before ' +
      'one expires, and closes with 4401 within a second of the end of the last of them, by ' +
      'expiry or revocation. The message that ended its own token, as `user/delete` may, is ' +
      'answered before. A socket that has used no token stays open.',
    'Browsers need an allowed origin. At most 40 messages may come at once and 20 a second. A ' +
      'socket of which no message has succeeded within 30 s is closed. A client that does not ' +
      'read its answers is not read either, and is cut off once it answers no ping for 30 s.',
  ].join('\n\n'),
  notices:
    'It may come between any two answers. Get a token by `auth/generateToken` and use it in the ' +
    'next message, and the socket stays open.',
};

export const CLOSE_CODE_TEXTS: Record<keyof typeof CLOSE_CODES | 'invalidText' | 'tooBig', string> =
  {
    unsupportedData: 'The message was binary. Send text.',
    invalidText: 'The message was not UTF-8.',
    policyViolation: 'Too many messages, or none that succeeded in time.',
    tooBig: 'The message was larger than 64 KiB.',
    serviceRestart: 'The replica stops, within 5 s. Connect again: another one answers.',
    tokenEnded:
      'The last of the tokens that were used has ended. The reason is `token_expired` or ' +
      '`token_revoked`. Get a token first, then connect again.',
  };

/** With those that the WebSocket library sends. */
export const ALL_CLOSE_CODES = { ...CLOSE_CODES, invalidText: 1007, tooBig: 1009 };

export const STREAM_TEXT = {
  channel:
    'Server-sent events (WHATWG HTML) in the order of the log. A slow reader is served from the ' +
    'table, and nothing is lost or repeated, whichever replica answers.',
  operation: [
    'Begins with what is sealed from now on, or behind `after`. A reconnect sends the header ' +
      '`Last-Event-ID`, which has precedence, and goes on behind it at any replica.',
    'The last event is `end` and says why: the token expired, its session or right to read ended ' +
      '(within a second), the replica stops, or nothing was read for 30 s. After that one it may ' +
      'come too late to be read. A connection that is lost ends without it. After 15 s of silence ' +
      'comes a comment and an id.',
    'Each second with new entries the head of the log is signed. `checkpoint` brings it once all ' +
      'entries below its size were sent that the caller may see.',
    'With `proof=true` a listener can show that it missed nothing. Entries then come once they are ' +
      'signed, up to a second later, as the rows of an export. `opening` has the hashes of what ' +
      'came before, `gap` those of entries that are left out. Record the bytes and check them by ' +
      '`audit-verify stream`: docs/audit.md says how.',
  ].join('\n\n'),
  audit: '`id:` the index of the entry in the log, `data:` the entry as one line of JSON.',
  checkpoint: 'A signed head of the log. All entries below its size were sent or left out.',
  end: 'The last event: why the stream ends. An `EventSource` then connects again by itself.',
  opening:
    'With `proof=true`, the first event: the index behind which the stream begins, the roots of ' +
    'the complete subtrees up to there (RFC 6962), and what narrows the stream.',
  row:
    'With `proof=true`, in the place of the entry, the row of an export: the sealed record, its ' +
    'index and hash, and the personal values that the caller may see.',
  gap:
    'With `proof=true`: entries [from, to) that the caller may not see or that the filter leaves ' +
    'out, as the roots of the fewest complete subtrees. `id:` the last of them.',
};
