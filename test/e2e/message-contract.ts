import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';

const file = join(import.meta.dirname, '../../docs/asyncapi.json');
const MESSAGES = 'asyncapi.json#/channels/socket/messages';

const ajv = new Ajv({ strict: false, validateFormats: false, allowUnionTypes: true });
ajv.addSchema(JSON.parse(readFileSync(file, 'utf8')) as object, 'asyncapi.json');

/**
 * Holds an answer of the socket against the AsyncAPI document: the channel's own, or the failure.
 * @throws Error with what does not fit
 */
export function holdMessage(sent: object, answer: object): void {
  const channel = 'channel' in sent && typeof sent.channel === 'string' ? sent.channel : '';
  const isFailure = 'success' in answer && answer.success === false;
  const name = isFailure ? 'failure' : `${channel.replace('/', '_')}_answer`;
  const validate = ajv.compile({ $ref: `${MESSAGES}/${name}/payload` });
  if (!validate(answer))
    throw new Error(`${channel} breaks docs/asyncapi.json: ${ajv.errorsText(validate.errors)}`);
}
