/** Makes the AsyncAPI document of the WebSocket and of the trail's stream. */
import { stringify } from 'yaml';
import { channels } from '../../../services/user/web-socket/answer-message.ts';
import { failureSchema, type Channel } from '../../../services/user/web-socket/channel.ts';
import { tokenExpiringSchema } from '../../../services/user/web-socket/server-messages.ts';
import { streamEndSchema } from '../../../services/audit/live/stream-end.ts';
import { checkpointSchema } from '../../../services/audit/live/stream-format.ts';
import {
  gapSchema,
  openingSchema,
  provenRowSchema,
} from '../../../services/audit/live/proven-format.ts';
import { streamLogs } from '../../../services/audit/live/stream-logs.ts';
import { logResourceSchema } from '../../../services/audit/trail/log-resource.ts';
import {
  ALL_CLOSE_CODES,
  ASYNC_INFO,
  ASYNC_SECURITY,
  CLOSE_CODE_TEXTS,
  SERVERS,
  SOCKET_TEXT,
  STREAM_TEXT,
} from './frame.ts';
import { toPascal, type Json, type JsonObject } from '../json.ts';
import * as examples from './message-examples.ts';
import { answers, failure, requests } from './message-examples.ts';
import { createSchemas, findResources, type Schemas } from '../schemas.ts';

const SOCKET = '#/channels/socket';
const STREAM = '#/channels/audit_stream';
const API_TOKEN: JsonObject = {
  type: 'string',
  maxLength: 4096,
  description: 'The token of auth/generateToken or of POST /api/auth/tokens.',
};

interface Message {
  name: string;
  summary: string;
  payload: JsonObject;
  example: Json;
}

const idOf = ({ name }: Channel): string => name.replace('/', '_');

const messageOf = ({ name, summary, payload, example }: Message): JsonObject => ({
  name,
  title: name,
  summary,
  contentType: 'application/json',
  payload,
  examples: [{ name, payload: example }],
});

function requestMessage(channel: Channel, schemas: Schemas): JsonObject {
  const { name, summary, access, payload } = channel;
  const needsToken = access !== 'public';
  return messageOf({
    name,
    summary,
    payload: {
      type: 'object',
      required: ['channel', 'payload', ...(needsToken ? ['apiToken'] : [])],
      properties: {
        channel: { type: 'string', const: name },
        ...(needsToken && { apiToken: API_TOKEN }),
        payload: schemas.convert(payload),
      },
      additionalProperties: false,
    },
    example: requests[name] ?? null,
  });
}

const answerMessage = (channel: Channel, schemas: Schemas): JsonObject =>
  messageOf({
    name: `${channel.name} answer`,
    summary: `The answer to ${channel.name}.`,
    payload: schemas.convertAs([`${toPascal(idOf(channel))}Answer`], channel.answer),
    example: answers[channel.name] ?? null,
  });

const failureMessage = (schemas: Schemas): JsonObject =>
  messageOf({
    name: 'failure',
    summary: 'The answer to a message that failed. Its codes are those of the HTTP interface.',
    payload: schemas.convertAs(['Failure'], failureSchema),
    example: failure,
  });

const tokenExpiringMessage = (schemas: Schemas): JsonObject => ({
  ...messageOf({
    name: 'token_expiring',
    summary: 'A token that was used on this socket expires within a minute.',
    payload: schemas.convertAs(['TokenExpiring'], tokenExpiringSchema),
    example: examples.tokenExpiring,
  }),
  description: SOCKET_TEXT.notices,
});

/** The events of the stream, in the order in which the page shows them. */
function streamMessages(schemas: Schemas): Record<string, JsonObject> {
  const message = (
    name: 'audit' | 'checkpoint' | 'end' | 'opening' | 'row' | 'gap',
    { summary, payload, example }: Omit<Message, 'name'>,
  ): JsonObject => ({
    ...messageOf({ name, summary, payload, example }),
    description: STREAM_TEXT[name],
  });
  return {
    audit: message('audit', {
      summary: 'An entry of the trail, sent when it is sealed.',
      payload: schemas.convert(logResourceSchema),
      example: examples.entry,
    }),
    checkpoint: message('checkpoint', {
      summary: 'A signed head of the log.',
      payload: schemas.convertAs(['StreamCheckpoint'], checkpointSchema),
      example: examples.checkpoint,
    }),
    end: message('end', {
      summary: 'Why the stream ends.',
      payload: schemas.convertAs(['StreamEnd'], streamEndSchema),
      example: examples.streamEnd,
    }),
    opening: message('opening', {
      summary: 'Where a stream with proofs begins.',
      payload: schemas.convertAs(['StreamOpening'], openingSchema),
      example: examples.opening,
    }),
    row: {
      ...message('row', {
        summary: 'An entry of a stream with proofs.',
        payload: schemas.convertAs(['StreamRow'], provenRowSchema),
        example: examples.row,
      }),
      name: 'audit',
      title: 'audit, with proof=true',
    },
    gap: message('gap', {
      summary: 'Entries that a stream with proofs leaves out.',
      payload: schemas.convertAs(['StreamGap'], gapSchema),
      example: examples.gap,
    }),
  };
}

function socketChannel(schemas: Schemas): JsonObject {
  const messages = channels.flatMap((channel): [string, JsonObject][] => [
    [idOf(channel), requestMessage(channel, schemas)],
    [`${idOf(channel)}_answer`, answerMessage(channel, schemas)],
  ]);
  return {
    address: '/ws',
    title: 'WebSocket',
    description: SOCKET_TEXT.channel,
    servers: [{ $ref: '#/servers/web_socket' }],
    messages: {
      ...Object.fromEntries(messages),
      failure: failureMessage(schemas),
      token_expiring: tokenExpiringMessage(schemas),
    },
    bindings: { ws: { method: 'GET', bindingVersion: '0.1.0' } },
    'x-close-codes': closeCodes,
  };
}

const closeCodes: JsonObject = Object.fromEntries(
  Object.entries(ALL_CLOSE_CODES).map(([name, code]) => [
    code,
    CLOSE_CODE_TEXTS[name as keyof typeof ALL_CLOSE_CODES],
  ]),
);

const messageReference = (channel: string, name: string): JsonObject => ({
  $ref: `${channel}/messages/${name}`,
});

function socketOperation(channel: Channel): [string, JsonObject] {
  const id = idOf(channel);
  return [
    id,
    {
      action: 'receive',
      title: channel.name,
      summary: channel.summary,
      channel: { $ref: SOCKET },
      messages: [messageReference(SOCKET, id)],
      reply: {
        channel: { $ref: SOCKET },
        messages: [messageReference(SOCKET, `${id}_answer`), messageReference(SOCKET, 'failure')],
      },
      tags: [{ name: 'web-socket' }],
    },
  ];
}

/** What the server says by itself on a socket. */
const tokenExpiringOperation: JsonObject = {
  action: 'send',
  title: 'token_expiring',
  summary: 'Say a minute ahead that a token expires.',
  channel: { $ref: SOCKET },
  messages: [messageReference(SOCKET, 'token_expiring')],
  tags: [{ name: 'web-socket' }],
};

function streamOperation(schemas: Schemas, names: readonly string[]): JsonObject {
  const { query, headers, summary } = streamLogs.definition;
  return {
    action: 'send',
    title: 'GET /api/audit/stream',
    summary,
    description: STREAM_TEXT.operation,
    channel: { $ref: STREAM },
    messages: names.map((name) => messageReference(STREAM, name)),
    security: [
      { $ref: '#/components/securitySchemes/bearer' },
      { $ref: '#/components/securitySchemes/session_cookie' },
    ],
    bindings: { http: { method: 'GET', query: schemas.convert(query), bindingVersion: '0.3.0' } },
    'x-request-headers': schemas.convert(headers),
    tags: [{ name: 'live' }],
  };
}

/** The document, before it is written as JSON and YAML. */
export async function describeAsyncapi(): Promise<JsonObject> {
  const schemas = createSchemas(await findResources());
  const socket = socketChannel(schemas);
  const events = streamMessages(schemas);
  return {
    asyncapi: '3.0.0',
    info: ASYNC_INFO,
    defaultContentType: 'application/json',
    servers: SERVERS,
    channels: {
      socket,
      audit_stream: {
        address: '/api/audit/stream',
        title: 'Stream of the audit trail',
        description: STREAM_TEXT.channel,
        servers: [{ $ref: '#/servers/http' }],
        messages: events,
      },
    },
    operations: {
      ...Object.fromEntries(channels.map(socketOperation)),
      token_expiring: tokenExpiringOperation,
      stream_logs: streamOperation(schemas, Object.keys(events)),
    },
    components: { securitySchemes: ASYNC_SECURITY, schemas: schemas.components },
  };
}

export const renderYaml = (document: JsonObject): string =>
  stringify(document, { aliasDuplicateObjects: false, lineWidth: 100 });
