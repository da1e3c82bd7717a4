/** Makes the AsyncAPI document of the WebSocket and of the trail's stream. */
import { stringify } from 'yaml';
import { channels } from '../../../services/user/web-socket/answer-message.ts';
import { failureSchema, type Channel } from '../../../services/user/web-socket/channel.ts';
import { streamLogs } from '../../../services/audit/live/stream-logs.ts';
import { logResourceSchema } from '../../../services/audit/trail/log-resource.ts';
import { ASYNC_INFO, ASYNC_SECURITY, CLOSE_CODES, SERVERS, STREAM_TEXT } from './frame.ts';
import { toPascal, type Json, type JsonObject } from '../json.ts';
import { answers, entry, failure, requests } from './message-examples.ts';
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

const entryMessage = (schemas: Schemas): JsonObject => ({
  ...messageOf({
    name: 'audit',
    summary: 'An entry of the trail, sent when it is sealed.',
    payload: schemas.convert(logResourceSchema),
    example: entry,
  }),
  description: STREAM_TEXT.message,
});

function socketChannel(schemas: Schemas): JsonObject {
  const messages = channels.flatMap((channel): [string, JsonObject][] => [
    [idOf(channel), requestMessage(channel, schemas)],
    [`${idOf(channel)}_answer`, answerMessage(channel, schemas)],
  ]);
  return {
    address: '/ws',
    title: 'WebSocket',
    description: CLOSE_CODES.text,
    servers: [{ $ref: '#/servers/web_socket' }],
    messages: { ...Object.fromEntries(messages), failure: failureMessage(schemas) },
    bindings: { ws: { method: 'GET', bindingVersion: '0.1.0' } },
    'x-close-codes': CLOSE_CODES.codes,
  };
}

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

function streamOperation(schemas: Schemas): JsonObject {
  const { query, headers, summary } = streamLogs.definition;
  return {
    action: 'send',
    title: 'GET /api/audit/stream',
    summary,
    description: STREAM_TEXT.operation,
    channel: { $ref: STREAM },
    messages: [messageReference(STREAM, 'audit')],
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
  const audit = entryMessage(schemas);
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
        messages: { audit },
      },
    },
    operations: {
      ...Object.fromEntries(channels.map(socketOperation)),
      stream_logs: streamOperation(schemas),
    },
    components: { securitySchemes: ASYNC_SECURITY, schemas: schemas.components },
  };
}

export const renderYaml = (document: JsonObject): string =>
  stringify(document, { aliasDuplicateObjects: false, lineWidth: 100 });
