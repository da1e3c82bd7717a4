import { randomBytes } from 'node:crypto';
import type { FastifyRequest, FastifySchemaCompiler } from 'fastify';
import { Type } from 'typebox';
import { Unauthenticated } from '@muniment/security';
import { parseStorableJson } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { ChannelUnknown, MessageInvalid } from '../errors.ts';
import { authGenerateToken } from './auth-generate-token.ts';
import { authRegister } from './auth-register.ts';
import type { Channel, SocketRequest } from './channel.ts';
import { accessDenied } from './message-events.ts';
import { userCreate } from './user-create.ts';
import { userDelete } from './user-delete.ts';
import { userRead } from './user-read.ts';
import { userUpdate } from './user-update.ts';

export const channels: readonly Channel[] = [
  authRegister,
  authGenerateToken,
  userCreate,
  userRead,
  userUpdate,
  userDelete,
];

/** A message's answer, and its metrics. All unknown channels count as one. */
export interface Answered {
  answer: object;
  channel: string;
  outcome: string;
}

/** A channel with its compiled schema. */
interface KnownChannel {
  channel: Channel;
  isValid(message: unknown): message is { payload: { id?: string }; apiToken?: string };
}

const UNKNOWN_CHANNEL = 'unknown';

/** Answers messages like requests. Errors become `{ success: false, error }`. */
export function createMessages(
  context: UserContext,
): (handshake: FastifyRequest, text: string) => Promise<Answered> {
  const known = compileChannels(context);
  return async (handshake, text) => {
    const request = createRequest(handshake);
    let name = UNKNOWN_CHANNEL;
    try {
      const message = parseStorableJson(text);
      const entry = findChannel(known, message);
      name = entry.channel.name;
      request.operation = entry.channel.operation;
      const answer = await answerMessage(context, request, { entry, message });
      return { answer, channel: name, outcome: 'success' };
    } catch (error) {
      const { code, message } = renderError(context, request, error);
      const answer = { success: false, error: { code, message } };
      return { answer, channel: name, outcome: code };
    }
  };
}

function compileChannels({ http }: Pick<UserContext, 'http'>): Map<string, KnownChannel> {
  const compile = http.app.validatorCompiler as FastifySchemaCompiler<object>;
  const entries = channels.map((channel): [string, KnownChannel] => {
    const schema = messageSchema(channel);
    const validate = compile({ schema, method: 'GET', url: '/ws', httpPart: 'body' });
    const isValid = (message: unknown) => validate(message as never) === true;
    return [channel.name, { channel, isValid: isValid as KnownChannel['isValid'] }];
  });
  return new Map(entries);
}

const messageSchema = ({ token, payload }: Channel) =>
  Type.Object(
    {
      channel: Type.String(),
      payload,
      ...(token && { apiToken: Type.Optional(Type.String({ maxLength: 4_096 })) }),
    },
    { additionalProperties: false },
  );

function createRequest({ ip, traceparent, headers }: FastifyRequest): SocketRequest {
  return {
    id: randomBytes(16).toString('hex'),
    ip,
    headers: { 'user-agent': headers['user-agent'] },
    principal: null,
    viewer: null,
    traceparent,
    operation: UNKNOWN_CHANNEL,
  };
}

function findChannel(known: Map<string, KnownChannel>, message: unknown): KnownChannel {
  const name =
    typeof message === 'object' && message !== null && 'channel' in message
      ? message.channel
      : undefined;
  const entry = typeof name === 'string' ? known.get(name) : undefined;
  if (!entry) throw name === undefined ? new MessageInvalid() : new ChannelUnknown();
  return entry;
}

async function answerMessage(
  context: UserContext,
  request: SocketRequest,
  { entry: { channel, isValid }, message }: { entry: KnownChannel; message: unknown },
): Promise<object> {
  if (!isValid(message)) throw new MessageInvalid();
  const { payload, apiToken } = message;
  // RFC 9562 §4 allows either case; ids are compared and stored in lower case.
  const normalized =
    payload.id === undefined ? payload : { ...payload, id: payload.id.toLowerCase() };
  const authenticated = channel.token ? await authenticate(context, request, apiToken) : request;
  return channel.run(context, authenticated, normalized);
}

async function authenticate(
  { http, audit }: Pick<UserContext, 'http' | 'audit'>,
  request: SocketRequest,
  apiToken: string | undefined,
): Promise<SocketRequest> {
  if (apiToken === undefined) throw new Unauthenticated();
  const match = await http.app.apiTokenPrincipal(apiToken, request.ip);
  if (!match) throw new Unauthenticated();
  const authenticated = { ...request, principal: match.principal };
  if (match.isAllowedHere) return authenticated;
  // The trail tells the token's owner. The answer tells its finder nothing.
  await audit.record(authenticated, accessDenied(request, { reason: 'address' }));
  throw new Unauthenticated();
}

function renderError(
  { http }: Pick<UserContext, 'http'>,
  request: SocketRequest,
  error: unknown,
): { code: string; message: string } {
  const { code, detail, status } = http.problemOf(error, request.id);
  if (status > 499) {
    const { id: request_id, operation } = request;
    http.log.error({ err: error, request_id, operation }, 'message failed');
  }
  return { code, message: detail };
}
