import { Type, type TObject, type TProperties, type TSchema } from 'typebox';

export const uuid = Type.String({ format: 'uuid' });
export const dateTime = Type.String({ format: 'date-time' });
export const nullable = <Schema extends TSchema>(schema: Schema) =>
  Type.Union([schema, Type.Null()]);

/** The path parameter of one resource. */
export const idParams = Type.Object({ id: uuid });

/** An object that refuses unknown fields: a query or a body. */
export const strictObject = <Properties extends TProperties>(
  properties: Properties,
): TObject<Properties> => Type.Object(properties, { additionalProperties: false });

export const CURSOR_DESCRIPTION =
  'The `next_cursor` of the page before; absent for the first page.';

const pageFields = {
  limit: Type.Integer({ minimum: 1, maximum: 200, default: 50, description: 'Items on a page.' }),
  cursor: Type.Optional(Type.String({ maxLength: 100, description: CURSOR_DESCRIPTION })),
};

/** The query of a list by pages; `filters` are fields besides `limit` and `cursor`. */
export const pageQuery = <Filters extends TProperties>(filters: Filters) =>
  strictObject({ ...pageFields, ...filters });

/** One page of a list. */
export const pageOf = <Item extends TSchema>(item: Item) =>
  Type.Object({ data: Type.Array(item), next_cursor: nullable(Type.String()) });

/** A body that is not JSON; it is streamed or sent as it is. Documents name its media types. */
export const rawBody = (description: string, ...mediaTypes: string[]) =>
  Type.Unsafe<unknown>({ description, contentMediaType: mediaTypes.join(', ') });
