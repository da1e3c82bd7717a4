import { Type, type Static } from 'typebox';
import { formatNotice } from './event-source.ts';

/** Why a stream ends. */
export const STREAM_ENDS = ['gone', 'revoked', 'expired', 'stalled', 'stopping'] as const;
export type StreamEnd = (typeof STREAM_ENDS)[number];

/** The last event of a stream. */
export const streamEndSchema = Type.Object({
  reason: Type.Union([
    Type.Literal('token_expired'),
    Type.Literal('token_revoked'),
    Type.Literal('too_slow'),
    Type.Literal('shutting_down'),
  ]),
  message: Type.String(),
});

const ENDS: Record<Exclude<StreamEnd, 'gone'>, Static<typeof streamEndSchema>> = {
  expired: {
    reason: 'token_expired',
    message: 'The token has expired. Connect again with a new one.',
  },
  revoked: {
    reason: 'token_revoked',
    message: 'The session or token has ended, or may read this no longer.',
  },
  stalled: {
    reason: 'too_slow',
    message: 'Nothing was read for too long. Connect again to go on.',
  },
  stopping: { reason: 'shutting_down', message: 'This replica stops. Connect again.' },
};

/** Nobody reads the end of a connection that is gone. */
export const formatEnd = (end: StreamEnd): string =>
  end === 'gone' ? '' : formatNotice('end', ENDS[end]);
