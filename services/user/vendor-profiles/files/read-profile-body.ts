import type { FastifyRequest } from 'fastify';
import { canonicalJson } from '@muniment/audit-events';
import { InvalidFields, isForm, type FieldFault } from '@muniment/server';
import { forwardForm, type FormContext, type FormOwner } from './forward-form.ts';
import type { StoredForm } from './read-answer.ts';

/** A body as JSON states it. */
export interface ProfileBody {
  body: object;
  /** What stands for it under an Idempotency-Key. */
  content: string;
}

const INTEGERS = new Set(['employee_count', 'employeeCount', 'establishment']);
const LISTS = new Set(['working_days', 'workingDays', 'payment_mode', 'paymentMode']);

/** A form has texts alone; an empty one clears a field, as null does. */
function toValue(name: string, text: string): unknown {
  if (text === '') return null;
  return INTEGERS.has(name) && /^-?[0-9]{1,15}$/.test(text) ? Number(text) : text;
}

/** The body that a form means. @throws InvalidFields where a field comes twice that is no list */
function toBody({ fields, files }: StoredForm): object {
  const body = new Map<string, unknown>();
  const faults: FieldFault[] = [];
  for (const [name, text] of fields) {
    const before = body.get(name);
    if (!body.has(name)) body.set(name, toValue(name, text));
    else if (LISTS.has(name)) body.set(name, [...[before].flat(), text]);
    else faults.push({ pointer: `/${name}`, message: 'comes twice' });
  }
  for (const { field, id } of files) {
    if (body.has(field)) faults.push({ pointer: `/${field}`, message: 'comes twice' });
    body.set(field, id);
  }
  if (faults.length > 0) throw new InvalidFields(faults);
  return Object.fromEntries(body);
}

/** Validates what no hook could, since the form was unread. @throws as Fastify */
function validate(request: FastifyRequest, part: 'body' | 'querystring', value: unknown): void {
  const isValid = request.getValidationFunction(part);
  if (!isValid || isValid(value)) return;
  throw Object.assign(new Error(`the ${part} of the form is not valid`), {
    code: 'FST_ERR_VALIDATION',
    statusCode: 400,
    validation: isValid.errors,
    validationContext: part,
  });
}

/**
 * The body of a request: JSON, or a form whose files the file service stores now. Its route states
 * `attachValidation`.
 * @throws InvalidFields, one of FORM_ERRORS
 */
export async function readProfileBody(
  context: FormContext,
  request: FastifyRequest,
  owner: FormOwner,
): Promise<ProfileBody> {
  const { validationError, query } = request;
  if (!isForm(request)) {
    if (validationError) throw validationError;
    const body = request.body as object;
    return { body, content: canonicalJson([body, query ?? null]) };
  }
  if (validationError && validationError.validationContext !== 'body') throw validationError;
  validate(request, 'querystring', query);
  const form = await forwardForm(context, request, owner);
  const body = toBody(form);
  validate(request, 'body', body);
  const files = form.files.map(({ id: _id, ...content }) => content);
  return { body, content: canonicalJson([form.fields, files, query ?? null]) };
}
