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

export const CLOSE_CODES = {
  text: [
    'A message is JSON text, `{ channel, payload, apiToken? }`. Messages are answered one after ' +
      'the other, in their order: the n-th answer belongs to the n-th message. The connection ' +
      'itself grants nothing, since each message carries its API token.',
    'Browsers need an allowed origin. At most 40 messages may come at once and 20 a second. A ' +
      'socket of which no message has succeeded within 30 s is closed.',
  ].join('\n\n'),
  codes: {
    1001: 'The replica stops. Connect again.',
    1003: 'The message was binary. Send text.',
    1007: 'The message was not UTF-8.',
    1008: 'Too many messages, or none that succeeded in time.',
    1009: 'The message was larger than 64 KiB.',
  },
};

export const STREAM_TEXT = {
  channel:
    'Server-sent events (WHATWG HTML) in the order of the log. A slow reader is served from the ' +
    'table, and nothing is lost or repeated, whichever replica answers.',
  operation: [
    'Begins with what is sealed from now on, or behind `after`. A reconnect sends the header ' +
      '`Last-Event-ID`, which has precedence, and goes on behind it at any replica.',
    'The stream ends when its token expires, within a second of the end of its session, and when ' +
      'its replica stops. A comment says why. After 15 s of silence comes a comment and an id.',
  ].join('\n\n'),
  message:
    '`event: audit`, `id:` the index of the entry in the log, ' +
    '`data:` the entry as one line of JSON.',
};
