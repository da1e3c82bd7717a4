import { Type, type Static } from 'typebox';
import type { Json } from '@muniment/audit-events';

// No control characters: these stand in lists, in CSV and in terminals.
const name = (maxLength: number, description: string) =>
  Type.String({ minLength: 1, maxLength, pattern: '^[^\\u0000-\\u001f\\u007f]+$', description });
const nullable = <Schema extends Parameters<typeof Type.Union>[0][number]>(schema: Schema) =>
  Type.Optional(Type.Union([schema, Type.Null()]));

export const tenantIdSchema = name(
  200,
  'The customer of the customer: whose viewers see the event.',
);
export const subjectSchema = name(
  128,
  'Whose personal values these are, by the id that the caller knows them by. An id that says nothing about them: it stands in the sealed log.',
);

/** An event as a customer's own service sends it. */
export const appEventSchema = Type.Object(
  {
    id: name(
      128,
      "The caller's own id of the event. Sent again within its tenant it is the same event.",
    ),
    tenant_id: tenantIdSchema,
    action: Type.String({
      maxLength: 100,
      pattern: '^[A-Za-z][A-Za-z0-9]*([._:/-][A-Za-z0-9]+)*$',
      description:
        'As user.signed_in or USER_SIGNED_IN; kept in the second form, with the first beside it.',
    }),
    outcome: Type.Union([Type.Literal('success'), Type.Literal('failure')], { default: 'success' }),
    error: nullable(Type.String({ maxLength: 1_000 })),
    actor: nullable(
      Type.Object(
        {
          id: subjectSchema,
          type: Type.Optional(name(100, 'user, api_key, system ...')),
          name: Type.Optional(Type.String({ maxLength: 256, description: 'Personal.' })),
          email: Type.Optional(Type.String({ maxLength: 320, description: 'Personal.' })),
        },
        { additionalProperties: false },
      ),
    ),
    resource: nullable(name(500, 'What was acted upon.')),
    resource_type: nullable(name(100, 'Its kind.')),
    occurred_at: nullable(
      Type.String({
        format: 'date-time',
        description:
          "When it happened by the caller's clock; the event's timestamp is when it was taken here.",
      }),
    ),
    metadata: Type.Optional(Type.Record(Type.String({ maxLength: 100 }), Type.Unknown())),
    personal: Type.Optional(
      Type.Object(
        {
          subject: Type.Optional(subjectSchema),
          email: nullable(Type.String({ maxLength: 320 })),
          ip: nullable(Type.String({ maxLength: 45 })),
          user_agent: nullable(Type.String({ maxLength: 4_096 })),
        },
        {
          additionalProperties: true,
          description:
            'Values that tell who somebody is, unreadable once their subject is erased; others than these are shown in metadata.',
        },
      ),
    ),
  },
  { additionalProperties: false },
);

export const MAX_BATCH_EVENTS = 500;

export const appEventsBodySchema = Type.Union([
  appEventSchema,
  Type.Object(
    { events: Type.Array(appEventSchema, { minItems: 1, maxItems: MAX_BATCH_EVENTS }) },
    { additionalProperties: false },
  ),
]);

export type JsonObject = { readonly [name: string]: Json };
export type AppEvent = Omit<Static<typeof appEventSchema>, 'metadata' | 'personal'> & {
  metadata?: JsonObject;
  personal?: JsonObject & {
    subject?: string;
    email?: string | null;
    ip?: string | null;
    user_agent?: string | null;
  };
};

/** `user.signed_in`, `user-signedIn`, `USER_SIGNED_IN` → `USER_SIGNED_IN`: separators and the humps of camelCase become `_`. */
export const actionName = (action: string): string =>
  action
    .replace(/([a-z]\d*)([A-Z])/g, '$1_$2')
    .replace(/[._:/-]/g, '_')
    .toUpperCase();

/** Whose the event is: of whom its personal values tell, else who acted. */
export const subjectOf = ({ actor, personal }: AppEvent): string | undefined =>
  personal?.subject ?? actor?.id;

/** The values that leave the process only encrypted. */
export function personalValuesOf({ actor, personal = {} }: AppEvent): JsonObject {
  const { subject: _, email = actor?.email, ...values } = personal;
  return Object.fromEntries(
    Object.entries({ ...values, email, actor_name: actor?.name }).filter(
      ([, value]) => value !== undefined && value !== null,
    ),
  ) as JsonObject;
}

/** The event's metadata: the caller's, and under `event` what of theirs has no field of its own. */
export function metadataOf(
  { id, action, actor, occurred_at: occurredAt, metadata }: AppEvent,
  recordedBy: string,
): JsonObject {
  return {
    ...metadata,
    event: {
      id,
      ...(actionName(action) !== action && { action }),
      ...(actor && {
        actor: { id: actor.id, ...(actor.type !== undefined && { type: actor.type }) },
      }),
      ...(occurredAt && { occurred_at: new Date(occurredAt).toISOString() }),
      recorded_by: recordedBy,
    },
  };
}
