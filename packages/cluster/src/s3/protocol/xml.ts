import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { S3Error } from './errors.ts';

const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/';

/** Text of an element. Control characters, which XML 1.0 cannot carry, go out as references, as Amazon's own do. */
export function escapeXml(text: string): string {
  return text.replace(/[<>&"']|\p{Cc}/gu, (char) => `&#${char.charCodeAt(0)};`);
}

/** One element whose content is plain text; nothing at all when the value is undefined. */
export function element(name: string, value: string | number | boolean | undefined): string {
  return value === undefined ? '' : `<${name}>${escapeXml(String(value))}</${name}>`;
}

/** One element whose content is already XML. */
export function parent(name: string, content: string): string {
  return `<${name}>${content}</${name}>`;
}

/** A whole answer document in S3's namespace. */
export function document(name: string, content: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${name} xmlns="${namespace}">${content}</${name}>`;
}

/** The error document (which S3 sends without a namespace). */
export function errorDocument(error: S3Error, resource: string, requestId: string): string {
  const fields = Object.entries(error.fields)
    .map(([name, value]) => element(name, value))
    .join('');
  const content =
    element('Code', error.code) +
    element('Message', error.message) +
    fields +
    element('Resource', resource) +
    element('RequestId', requestId);
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error>${content}</Error>`;
}

// Numeric references only exist in fast-xml-parser under `htmlEntities`; keys with \r or & come as such. The limits on
// expansion are lifted because no DTD gets this far, and a batch of 1,000 keys may hold more references than they allow.
const parser = new XMLParser({
  htmlEntities: true,
  ignoreAttributes: true,
  ignoreDeclaration: true,
  parseTagValue: false,
  trimValues: false,
  processEntities: { enabled: true, maxTotalExpansions: Infinity, maxExpandedLength: Infinity },
  isArray: (name) => name === 'Part' || name === 'Object',
});

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The fields of each `<item>` directly below the root, as text; MalformedXML when the document is anything else. */
export function parseItems(
  xml: string,
  root: string,
  item: string,
): { items: Record<string, string>[]; rest: Record<string, string> } {
  // No request document of S3 has a DTD; without one there are no entities to blow up.
  if (xml.includes('<!') || XMLValidator.validate(xml) !== true) throw new S3Error('MalformedXML');
  const parsed: unknown = parser.parse(xml);
  const body = isRecord(parsed) ? parsed[root] : undefined;
  if (!isRecord(body) || !Array.isArray(body[item])) throw new S3Error('MalformedXML');
  const items = body[item].map((entry: unknown) => {
    if (!isRecord(entry)) throw new S3Error('MalformedXML');
    return textFields(entry);
  });
  return { items, rest: textFields(body) };
}

function textFields(record: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(record).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  );
}
