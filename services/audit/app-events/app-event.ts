import { Type, type Static, type TSchema } from 'typebox';
import type { Json } from '@muniment/audit-events';
import { dateTime, nullable, strictObject } from '@muniment/server';

// No control characters: names are shown in lists, in CSV and in terminals.
const NAME_PATTERN = '^[^\\u0000-\\u001f\\u007f]+$';
const ACTION_PATTERN = '^[A-Za-z][A-Za-z0-9]*([._:/-][A-Za-z0-9]+)*$';

const name = (maxLength: number, description: string) =>
  Type.String({ minLength: 1, maxLength, pattern: NAME_PATTERN, description });
const text = (maxLength: number, description?: string) =>
  Type.String({ maxLength, ...(description !== undefined && { description }) });
const optional = <Schema extends TSchema>(schema: Schema) => Type.Optional(nullable(schema));

export const tenantIdSchema = name(200, "The customer's customer. Its viewers see the event.");
export const subjectSchema = name(
  128,
  "The caller's id of the person whose values these are. It stands in the sealed log.",
);

const actorSchema = strictObject({
  id: subjectSchema,
  type: Type.Optional(name(100, 'For example user, api_key or system.')),
  name: Type.Optional(text(256, 'Personal.')),
  email: Type.Optional(text(320, 'Personal.')),
});

const personalSchema = Type.Object(
  {
    subject: Type.Optional(subjectSchema),
    email: optional(text(320)),
    ip: optional(text(45)),
    user_agent: optional(text(4_096)),
  },
  {
    additionalProperties: true,
    description:
      'Values that identify a person. An erasure of their subject makes them unreadable. ' +
      'Values of other names are shown in metadata.',
  },
);

/** An event as a customer's own service sends it. */
export const appEventSchema = strictObject({
  id: name(128, "The caller's id of the event. Within its tenant, the same id is the same event."),
  tenant_id: tenantIdSchema,
  action: Type.String({
    maxLength: 100,
    pattern: ACTION_PATTERN,
    description: 'As user.signed_in or USER_SIGNED_IN. The log has the second form.',
  }),
  outcome: Type.Union([Type.Literal('success'), Type.Literal('failure')], { default: 'success' }),
  error: optional(text(1_000)),
  actor: optional(actorSchema),
  resource: optional(name(500, 'What was acted upon.')),
  resource_type: optional(name(100, 'The kind of the resource.')),
  occurred_at: optional(
    Type.String({
      ...dateTime,
      description: "The time by the caller's clock. The event's timestamp is that of its arrival.",
    }),
  ),
  metadata: Type.Optional(Type.Record(text(100), Type.Unknown())),
  personal: Type.Optional(personalSchema),
});

export const MAX_BATCH_EVENTS = 500;

export const appEventsBodySchema = Type.Union([
  appEventSchema,
  strictObject({ events: Type.Array(appEventSchema, { minItems: 1, maxItems: MAX_BATCH_EVENTS }) }),
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

/** An action in the log's form: `user.signed_in` and `user-signedIn` become `USER_SIGNED_IN`. */
export const actionName = (action: string): string =>
  action
    .replace(/([a-z]\d*)([A-Z])/g, '$1_$2')
    .replace(/[._:/-]/g, '_')
    .toUpperCase();

/** The event's subject: the one of its personal values, else its actor. */
export const subjectOf = ({ actor, personal }: AppEvent): string | undefined =>
  personal?.subject ?? actor?.id;

/** The values that leave the process only encrypted. */
export function personalValuesOf({ actor, personal = {} }: AppEvent): JsonObject {
  const { subject: _, email = actor?.email, ...others } = personal;
  const values = Object.entries({ ...others, email, actor_name: actor?.name });
  return Object.fromEntries(
    values.filter(([, value]) => value !== undefined && value !== null),
  ) as JsonObject;
}

/** The caller's metadata, with values that have no column of their own under `event`. */
export function metadataOf(
  { id, action, actor, occurred_at: occurredAt, metadata }: AppEvent,
  { userId, apiTokenId }: { userId: string; apiTokenId?: string | undefined },
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
      recorded_by: userId,
      ...(apiTokenId !== undefined && { api_token: apiTokenId }),
    },
  };
}
