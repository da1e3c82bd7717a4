import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { S3Error } from './errors.ts';

const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n';
const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';

/** Escapes text. Control characters become references, as in Amazon's answers. */
export function escapeXml(text: string): string {
  return text.replace(/[<>&"']|\p{Cc}/gu, (char) => `&#${char.charCodeAt(0)};`);
}

/** One element with plain text; empty for an undefined value. */
export function element(name: string, value: string | number | boolean | undefined): string {
  return value === undefined ? '' : `<${name}>${escapeXml(String(value))}</${name}>`;
}

/** One element whose content is already XML. */
export function parent(name: string, content: string): string {
  return `<${name}>${content}</${name}>`;
}

/** An answer document in S3's namespace. */
export function document(name: string, content: string): string {
  return `${DECLARATION}<${name} xmlns="${NAMESPACE}">${content}</${name}>`;
}

/** The error document. S3 sends it without a namespace. */
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
  return `${DECLARATION}<Error>${content}</Error>`;
}

// fast-xml-parser reads numeric references only under `htmlEntities`.
// Expansion is unlimited, since 1,000 keys may hold many references and DTDs are refused.
const PARSER = new XMLParser({
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

/** The fields of each `<item>` below the root, as text. @throws MalformedXML */
export function parseItems(
  xml: string,
  root: string,
  item: string,
): { items: Record<string, string>[]; rest: Record<string, string> } {
  // No request document of S3 has a DTD. Refusing DTDs stops entity expansion attacks.
  if (xml.includes('<!') || XMLValidator.validate(xml) !== true) throw new S3Error('MalformedXML');
  const parsed: unknown = PARSER.parse(xml);
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
