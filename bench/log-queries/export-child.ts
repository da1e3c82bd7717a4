/** Exports the beginning of a log into nothing and says how fast, and in how much memory. Arguments: URL, format, rows. */
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createSubjectKeys } from '@muniment/audit-events';
import { createDatabase } from '@muniment/database';
import { createMasterKey } from '@muniment/master-key';
import { csv } from '../../services/audit/export/csv.ts';
import { ndjson } from '../../services/audit/export/ndjson.ts';
import { ocsf } from '../../services/audit/export/ocsf.ts';
import { streamRows } from '../../services/audit/export/read-rows.ts';
import type { Tables } from '../../services/audit/tables.ts';

const [url = '', format = 'ndjson', rows = '100000'] = process.argv.slice(2);
const formats = { ndjson, csv, ocsf };
const limit = Number(rows);
const { db } = createDatabase<Tables>({ url, applicationName: 'bench', poolMax: 2 });
const subjectKeys = createSubjectKeys(createMasterKey(Buffer.alloc(32)));
const query = { filter: {}, visibility: { personal: 'all' }, terms: [] } as const;
let rssMb = 0;
const watching = setInterval(() => {
  rssMb = Math.max(rssMb, process.memoryUsage.rss() / 2 ** 20);
}, 50);
const begun = performance.now();
const written = formats[format as keyof typeof formats].write(
  {
    checkpoint: { note: '', size: limit },
    filter: null,
    after: null,
    tree: { hashRange: async () => [] },
  },
  streamRows({ db, subjectKeys }, query, { from: 0, to: limit, limit }),
  () => '',
);
await pipeline(
  Readable.from(written, { objectMode: false }),
  new Writable({ write: (_chunk, _encoding, done) => done() }),
);
const seconds = (performance.now() - begun) / 1_000;
clearInterval(watching);
await db.destroy();
console.log(JSON.stringify({ rowsPerSecond: limit / seconds, rssMb }));
