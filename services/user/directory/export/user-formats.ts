import { csvField } from '@muniment/server';
import { toDirectoryUser, type DirectoryUser } from '../../users/directory-resource.ts';

/** What an export says of a user, by names that an import takes; never a password or its hash. */
const COLUMNS = [
  'id',
  'external_id',
  'aws_cognito_id',
  'type',
  'status',
  'email',
  'email_verified_at',
  'phone',
  'phone_verified_at',
  'verified_at',
  'name',
  'first_name',
  'last_name',
  'post_code',
  'country',
  'city',
  'is_profile_updated',
  'is_profile_reverified',
  'profile_reverified_at',
  'last_active_on',
  'created_by',
  'updated_by',
  'created',
  'updated',
] as const;

type Pages = AsyncIterable<readonly DirectoryUser[]>;

async function* writeCsv(pages: Pages): AsyncGenerator<string> {
  yield `${COLUMNS.join(',')}\r\n`;
  for await (const page of pages) yield page.map(csvLine).join('');
}

function csvLine(row: DirectoryUser): string {
  const user = toDirectoryUser(row);
  return `${COLUMNS.map((column) => csvField(user[column])).join(',')}\r\n`;
}

async function* writeNdjson(pages: Pages): AsyncGenerator<string> {
  for await (const page of pages) yield page.map(jsonLine).join('');
}

function jsonLine(row: DirectoryUser): string {
  const user = toDirectoryUser(row);
  return `${JSON.stringify(Object.fromEntries(COLUMNS.map((name) => [name, user[name]])))}\n`;
}

/** The formats of an export. Each ends with its last user: one that is cut off breaks the answer. */
export const userFormats = {
  ndjson: { mediaType: 'application/x-ndjson', write: writeNdjson },
  csv: { mediaType: 'text/csv; charset=utf-8; header=present', write: writeCsv },
};
