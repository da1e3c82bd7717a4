import { cloudevents } from './cloudevents.ts';
import { csv } from './csv.ts';
import { ndjson } from './ndjson.ts';
import { ocsf } from './ocsf.ts';

export const formats = { ndjson, csv, cloudevents, ocsf };
export type FormatName = keyof typeof formats;
