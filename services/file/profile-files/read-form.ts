import { isUtf8 } from 'node:buffer';
import type { FastifyRequest } from 'fastify';
import { canonicalJson } from '@muniment/audit-events';
import {
  FileUnexpected,
  FormTooLarge,
  MultipartMalformed,
  TooManyFiles,
  TooManyParts,
  UnknownField,
} from '../errors.ts';
import type { UploadedContent } from '../uploads/digest-upload.ts';
import {
  readParts,
  type FileSink,
  type FormLimits,
  type FormPart,
  type PartSink,
} from '../uploads/parse-form.ts';

/** What the user service grants to a form. */
export interface FormGrant {
  /** Whose the files become. */
  owner: string;
  /** Fields before the files that name another owner; only where the caller may choose. */
  ownerFields: readonly string[];
  /** The media types of each field that may be a file. */
  types: Readonly<Record<string, readonly string[]>>;
}

export interface Form {
  fields: [name: string, value: string][];
  files: ({ field: string } & UploadedContent)[];
}

/** Takes one file of the form. */
export type OpenFile = (options: {
  owner: string;
  types: readonly string[];
}) => Promise<FileSink & { finish(): Promise<UploadedContent> }>;

export const MAX_PARTS = 64;
const MAX_FIELD_BYTES = 64 * 1024;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The content behind an Idempotency-Key. */
export const formContent = ({ fields, files }: Form): string => canonicalJson([fields, files]);

function ownerOf({ owner, ownerFields }: FormGrant, fields: Form['fields']): string {
  const [, named = ''] = fields.find(([name]) => ownerFields.includes(name)) ?? [];
  return UUID.test(named) ? named.toLowerCase() : owner;
}

/** Collects texts, which all share one bound. */
function createTexts(fields: Form['fields']): (name: string) => PartSink {
  let received = 0;
  return (name) => {
    const chunks: Buffer[] = [];
    return {
      async write(chunk) {
        received += chunk.length;
        if (received > MAX_FIELD_BYTES) throw new FormTooLarge(MAX_FIELD_BYTES);
        chunks.push(chunk);
      },
      async end() {
        const bytes = Buffer.concat(chunks);
        // What PostgreSQL cannot store is refused as in JSON.
        if (!isUtf8(bytes) || bytes.includes(0))
          throw new MultipartMalformed('a field is no UTF-8 text without NUL');
        fields.push([name, bytes.toString()]);
      },
    };
  };
}

/** A browser sends such a part where nothing was chosen. */
const NOTHING: PartSink = {
  async write(chunk) {
    if (chunk.length > 0) throw new MultipartMalformed('a file has no name');
  },
};

/** Reads a form of texts and files. @throws as `readParts`, FileUnexpected, and as `open` */
export async function readForm(
  request: FastifyRequest,
  { grant, open, limits }: { grant: FormGrant; open: OpenFile; limits: FormLimits },
): Promise<Form> {
  const form: Form = { fields: [], files: [] };
  const openText = createTexts(form.fields);
  async function openPart({ name, filename, declaredType }: FormPart): Promise<PartSink> {
    if (filename === undefined) return openText(name);
    const types = Object.hasOwn(grant.types, name) ? grant.types[name] : undefined;
    if (!types) throw new FileUnexpected(Object.keys(grant.types).join(', '));
    if (filename === '') return NOTHING;
    if (form.files.some(({ field }) => field === name)) throw new TooManyParts();
    const file = await open({ owner: ownerOf(grant, form.fields), types });
    file.begin({ filename, declaredType });
    return {
      write: file.write,
      async end() {
        form.files.push({ field: name, ...(await file.finish()) });
      },
    };
  }
  try {
    await readParts(request, openPart, limits);
  } catch (error) {
    if (error instanceof TooManyFiles) throw new TooManyParts();
    if (error instanceof UnknownField)
      throw new MultipartMalformed('a field has a name that is not allowed');
    throw error;
  }
  return form;
}
