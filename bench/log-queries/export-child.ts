/** `export-child.ts URL FORMAT ROWS`: exports rows of a log, and prints speed and memory. */
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createSubjectKeys } from '@muniment/audit-events';
import { createDatabase } from '@muniment/database';
import { createMasterKey } from '@muniment/master-key';
import { csv } from '../../services/audit/export/csv.ts';
import { ndjson } from '../../services/audit/export/ndjson.ts';
import { ocsf } from '../../services/audit/export/ocsf.ts';
import { streamRows } from '../../services/audit/export/stream-rows.ts';
import type { Tables } from '../../services/audit/tables.ts';

const [url = '', format = 'ndjson', rows = '100000'] = process.argv.slice(2);
const formats = { ndjson, csv, ocsf };
const limit = Number(rows);
const { db } = createDatabase<Tables>({ url, applicationName: 'bench', poolMax: 2 });
const subjectKeys = createSubjectKeys(createMasterKey(Buffer.alloc(32)));
const query = { filter: {}, visibility: { personal: 'all' }, terms: [] } as const;
let rssMb = 0;
const memoryTimer = setInterval(() => {
  rssMb = Math.max(rssMb, process.memoryUsage.rss() / 2 ** 20);
}, 50);
const startedAt = performance.now();
const chunks = formats[format as keyof typeof formats].write(
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
  Readable.from(chunks, { objectMode: false }),
  new Writable({ write: (_chunk, _encoding, done) => done() }),
);
const seconds = (performance.now() - startedAt) / 1_000;
clearInterval(memoryTimer);
await db.destroy();
console.log(JSON.stringify({ rowsPerSecond: limit / seconds, rssMb }));
