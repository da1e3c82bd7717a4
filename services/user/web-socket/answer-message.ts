import { randomBytes } from 'node:crypto';
import type { FastifyRequest, FastifySchemaCompiler } from 'fastify';
import { Type } from 'typebox';
import { Unauthenticated } from '@muniment/security';
import { parseStorableJson } from '@muniment/server';
import { ChannelUnknown, MessageInvalid } from '../errors.ts';
import type { UserContext } from '../context.ts';
import { authGenerateToken } from './auth-generate-token.ts';
import { authRegister } from './auth-register.ts';
import type { Channel, SocketRequest } from './channel.ts';
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

/** What came of a message: its answer, and what metrics say of it. Made-up channels are one. */
export interface Answered {
  answer: object;
  channel: string;
  outcome: string;
}

type Validate = (value: unknown) => unknown;

const messageOf = ({ token, payload }: Channel) =>
  Type.Object(
    {
      channel: Type.String(),
      payload,
      ...(token && { apiToken: Type.Optional(Type.String({ maxLength: 4_096 })) }),
    },
    { additionalProperties: false },
  );

const channelOf = (message: unknown): unknown =>
  typeof message === 'object' && message !== null && 'channel' in message
    ? message.channel
    : undefined;

/** Answers messages by the code that answers requests, one message at a time. Never rejects: what goes wrong is `{ success: false, error: { code, message } }`. */
export function createMessages(
  server: UserContext,
): (handshake: FastifyRequest, text: string) => Promise<Answered> {
  const compile = server.app.validatorCompiler as FastifySchemaCompiler<object>;
  const known = new Map<string, { channel: Channel; validate: Validate }>(
    channels.map((channel) => [
      channel.name,
      {
        channel,
        validate: compile({
          schema: messageOf(channel),
          method: 'GET',
          url: '/ws',
          httpPart: 'body',
        }) as Validate,
      },
    ]),
  );

  async function authenticate(
    request: SocketRequest,
    text: string | undefined,
  ): Promise<SocketRequest> {
    const found =
      text === undefined ? undefined : await server.app.apiTokenPrincipal(text, request.ip);
    if (!found) throw new Unauthenticated();
    const authenticated = { ...request, principal: found.principal };
    if (found.isAllowedHere) return authenticated;
    // As at a route: told to its owner, by the trail, and not to whoever found the token.
    await server.recordFor(authenticated, {
      action: 'ACCESS_DENIED',
      outcome: 'failure',
      metadata: { reason: 'address', operation: `socket.${request.channel}` },
    });
    throw new Unauthenticated();
  }

  async function run(
    request: SocketRequest,
    channel: Channel,
    validate: Validate,
    message: unknown,
  ): Promise<object> {
    if (validate(message) !== true) throw new MessageInvalid();
    const { payload, apiToken } = message as { payload: { id?: string }; apiToken?: string };
    // The same id in either case (RFC 9562 §4), and whoever compares it with another has them alike.
    const spelled =
      payload.id === undefined ? payload : { ...payload, id: payload.id.toLowerCase() };
    return channel.run(
      server,
      channel.token ? await authenticate(request, apiToken) : request,
      spelled,
    );
  }

  return async (handshake, text) => {
    const { ip, traceparent } = handshake;
    const request: SocketRequest = {
      id: randomBytes(16).toString('hex'),
      ip,
      headers: { 'user-agent': handshake.headers['user-agent'] },
      principal: null,
      viewer: null,
      traceparent,
      channel: 'unknown',
    };
    try {
      const message = parseStorableJson(text);
      const name = channelOf(message);
      const entry = typeof name === 'string' ? known.get(name) : undefined;
      if (!entry) throw name === undefined ? new MessageInvalid() : new ChannelUnknown();
      request.channel = entry.channel.name;
      return {
        answer: await run(request, entry.channel, entry.validate, message),
        channel: request.channel,
        outcome: 'success',
      };
    } catch (error) {
      const { code, detail, status } = server.problemOf(error, request.id);
      if (status > 499)
        server.log.error(
          { err: error, request_id: request.id, operation: `socket.${request.channel}` },
          'message failed',
        );
      return {
        answer: { success: false, error: { code, message: detail } },
        channel: request.channel,
        outcome: code,
      };
    }
  };
}
