import { randomBytes } from 'node:crypto';
import type { FastifyRequest, FastifySchemaCompiler } from 'fastify';
import { Type, type TSchema } from 'typebox';
import { Unauthenticated, type Principal } from '@muniment/security';
import { parseStorableJson } from '@muniment/server';
import type { UserContext } from '../context.ts';
import { ChannelUnknown, MessageInvalid } from '../errors.ts';
import { authGenerateToken } from './auth-generate-token.ts';
import { authRegister } from './auth-register.ts';
import { requireAccess, type Channel, type Failure, type SocketRequest } from './channel.ts';
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
  /** The owner of the valid API token that it carried. */
  token?: Principal;
}

/** @throws MessageInvalid, which names the fields */
type RequireValid<Shape> = (message: unknown) => Shape;

/** A channel with its compiled schema. */
interface KnownChannel {
  channel: Channel;
  requireValid: RequireValid<Message>;
}

/** @throws MessageInvalid, ChannelUnknown */
type FindChannel = (message: unknown) => KnownChannel;

interface Message {
  payload: { id?: string };
  apiToken?: string;
}

const UNKNOWN_CHANNEL = 'unknown';

/** Answers messages like requests. Errors become `{ success: false, error }`. */
export function createMessages(
  context: UserContext,
): (handshake: FastifyRequest, text: string) => Promise<Answered> {
  const findChannel = compileChannels(context);
  return async (handshake, text) => {
    const request = createRequest(handshake);
    const answered = (answer: object, outcome: string): Answered => ({
      answer,
      channel: request.channel,
      outcome,
      ...(request.token && { token: request.token }),
    });
    try {
      const read = await readMessage(context, request, { findChannel, text });
      return answered(await answerMessage(context, request, read), 'success');
    } catch (error) {
      const failure = renderError(context, request, error);
      return answered({ success: false, error: failure }, failure.code);
    }
  };
}

function compileSchema<Shape>(
  { http }: Pick<UserContext, 'http'>,
  schema: TSchema,
): RequireValid<Shape> {
  const compile = http.app.validatorCompiler as FastifySchemaCompiler<object>;
  const validate = compile({ schema, method: 'GET', url: '/ws', httpPart: 'body' });
  return (message) => {
    if (validate(message as never) === true) return message as Shape;
    const faults = { validation: validate.errors ?? [], validationContext: 'body' };
    throw Object.assign(new MessageInvalid(), faults);
  };
}

/** What a message of any channel has. */
const envelopeSchema = Type.Object({ channel: Type.Unknown() });

function compileChannels(context: Pick<UserContext, 'http'>): FindChannel {
  const requireEnvelope = compileSchema<{ channel: unknown }>(context, envelopeSchema);
  const known = new Map<unknown, KnownChannel>(
    channels.map((channel) => [
      channel.name,
      { channel, requireValid: compileSchema(context, messageSchema(channel)) },
    ]),
  );
  return (message) => {
    const entry = known.get(requireEnvelope(message).channel);
    if (!entry) throw new ChannelUnknown();
    return entry;
  };
}

const messageSchema = ({ access, payload }: Channel) =>
  Type.Object(
    {
      channel: Type.String(),
      payload,
      ...(access !== 'public' && { apiToken: Type.Optional(Type.String({ maxLength: 4_096 })) }),
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
    channel: UNKNOWN_CHANNEL,
  };
}

/** Reads a message. One that cannot be read counts as a request of its network. */
async function readMessage(
  { limits }: Pick<UserContext, 'limits'>,
  request: SocketRequest,
  { findChannel, text }: { findChannel: FindChannel; text: string },
): Promise<{ channel: Channel; message: Message }> {
  try {
    const message = parseStorableJson(text);
    const { channel, requireValid } = findChannel(message);
    request.channel = channel.name;
    request.operation = channel.operation;
    return { channel, message: requireValid(message) };
  } catch (error) {
    await limits.countMessage(request, request);
    throw error;
  }
}

async function answerMessage(
  context: UserContext,
  request: SocketRequest,
  { channel, message: { payload, apiToken } }: { channel: Channel; message: Message },
): Promise<object> {
  // RFC 9562 §4 allows either case; ids are compared and stored in lower case.
  const normalized =
    payload.id === undefined ? payload : { ...payload, id: payload.id.toLowerCase() };
  const { access } = channel;
  const authenticated =
    access === 'public' ? request : await authenticate(context, request, apiToken);
  await context.limits.countMessage(authenticated, request);
  if (access !== 'public')
    await requireAccess(context, authenticated, { access, id: normalized.id });
  return channel.run(context, authenticated, normalized);
}

async function authenticate(
  { http, audit, limits }: Pick<UserContext, 'http' | 'audit' | 'limits'>,
  request: SocketRequest,
  apiToken: string | undefined,
): Promise<SocketRequest> {
  const match =
    apiToken === undefined ? undefined : await http.app.apiTokenPrincipal(apiToken, request.ip);
  const authenticated = { ...request, principal: match?.principal ?? null };
  if (match?.isAllowedHere) {
    request.token = match.principal;
    return authenticated;
  }
  await limits.countRejection(request);
  const { operation } = request;
  // The trail tells the token's owner. The answer tells its finder nothing.
  if (match) await audit.recordDenial(authenticated, { reason: 'address', operation });
  throw new Unauthenticated();
}

function renderError(
  { http }: Pick<UserContext, 'http'>,
  request: SocketRequest,
  error: unknown,
): Failure['error'] {
  const { code, detail, status, errors } = http.problemOf(error, request.id);
  if (status > 499) {
    const { id: request_id, operation } = request;
    http.log.error({ err: error, request_id, operation }, 'message failed');
  }
  if (!errors) return { code, message: detail };
  const fields = errors.map(({ pointer, message }) => `${pointer} ${message}`.trim()).join(', ');
  return { code, message: `The message does not fit its channel: ${fields}.`, errors };
}
