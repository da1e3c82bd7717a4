import type { FastifySchemaValidationError } from 'fastify';

/** One fault of a query, path or body. */
export interface ValidationFault {
  /** JSON Pointer of the faulty value. */
  path: string;
  /** Name of the missing or unknown field below it. */
  field?: string;
  message: string;
}

/**
 * Describes what a schema refused. Ajv reports a union as a fault of each of its members, so those
 * become one fault that names what is allowed.
 */
export function describeFaults(errors: readonly FastifySchemaValidationError[]): ValidationFault[] {
  return mergeUnions(errors).map((error) => {
    const { missingProperty, additionalProperty } = error.params;
    const field = missingProperty ?? additionalProperty;
    return {
      path: error.instancePath,
      ...(typeof field === 'string' && { field }),
      message: messageOf(error),
    };
  });
}

/** Ajv reports the members of a union before the union itself, the innermost union first. */
function mergeUnions(
  errors: readonly FastifySchemaValidationError[],
): FastifySchemaValidationError[] {
  let merged: FastifySchemaValidationError[] = [];
  for (const error of errors) {
    if (error.keyword !== 'anyOf') {
      merged.push(error);
      continue;
    }
    const isMember = ({ schemaPath }: FastifySchemaValidationError): boolean =>
      schemaPath.startsWith(`${error.schemaPath}/`);
    const members = merged.filter(isMember);
    merged = [...merged.filter((other) => !isMember(other)), ...mergeMembers(error, members)];
  }
  return merged;
}

function mergeMembers(
  union: FastifySchemaValidationError,
  members: readonly FastifySchemaValidationError[],
): FastifySchemaValidationError[] {
  // A member whose type fits says more than one whose type does not.
  const isOfType = ({ keyword, instancePath }: FastifySchemaValidationError): boolean =>
    keyword !== 'type' || instancePath !== union.instancePath;
  const fitting = members.filter(isOfType);
  if (fitting.length === 0) return [{ ...union, message: `must be ${listTypes(members)}` }];
  const isValue = ({ keyword, instancePath }: FastifySchemaValidationError): boolean =>
    (keyword === 'const' || keyword === 'enum') && instancePath === union.instancePath;
  if (!fitting.every(isValue)) return fitting;
  const allowedValues = fitting.flatMap(valuesOf);
  const isNullable = members.some(({ params }) => params.type === 'null');
  const values = isNullable ? [...allowedValues, null] : allowedValues;
  return [{ ...union, keyword: 'enum', params: { allowedValues: values } }];
}

const valuesOf = ({ params }: FastifySchemaValidationError): unknown[] =>
  Array.isArray(params.allowedValues) ? params.allowedValues : [params.allowedValue];

const listTypes = (members: readonly FastifySchemaValidationError[]): string =>
  [...new Set(members.map(({ params }) => String(params.type)))].join(' or ');

function messageOf({ keyword, params, message }: FastifySchemaValidationError): string {
  if (keyword === 'const') return `must be ${JSON.stringify(params.allowedValue)}`;
  if (keyword === 'enum' && Array.isArray(params.allowedValues)) {
    const values = params.allowedValues.map((value) => JSON.stringify(value));
    return `must be one of ${values.join(', ')}`;
  }
  return message ?? 'is not valid';
}
