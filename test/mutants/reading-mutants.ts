import type { Mutant } from './mutant.ts';

const CONDITIONS = 'services/audit/trail/log-conditions.ts';
const LIST_TEST = 'services/audit/test/trail/list-logs.test.ts';
const CURSOR_TEST = 'services/audit/test/trail/cursor.test.ts';
const VIEWER_TEST = 'services/audit/test/viewer-tokens/viewer-tokens.test.ts';

/** Who reads what of the log, page by page and in exports. */
export const READING_MUTANTS: Mutant[] = [
  {
    name: 'other-source-of-a-viewer',
    file: CONDITIONS,
    find: '      sql`e.source collate "C" = ${within.source}`,\n',
    replace: '',
    tests: [VIEWER_TEST],
  },
  {
    name: 'other-tenant-of-a-viewer',
    file: CONDITIONS,
    find: '      sql`e.tenant_id collate "C" = ${within.tenant_id}`,\n',
    replace: '',
    tests: [VIEWER_TEST],
  },
  {
    name: 'hidden-values-found',
    file: CONDITIONS,
    find: `return terms.length > 0 && personal !== 'all'`,
    replace: `return terms.length > 1 && personal !== 'all'`,
    tests: [LIST_TEST],
  },
  {
    name: 'examined-too-far',
    file: 'services/audit/trail/find-page.ts',
    find: 'found.length > events.length ? (events.at(-1)?.index ?? to - 1) : to - 1',
    replace: 'to - 1',
    tests: [LIST_TEST],
  },
  {
    name: 'cursor-behind-the-log',
    file: 'services/audit/trail/cursor.ts',
    find: '  if (index >= size) throw new CursorInvalid();\n',
    replace: '',
    tests: [CURSOR_TEST],
  },
  {
    name: 'quick-reader-cut',
    file: 'services/audit/export/export-slots.ts',
    find: 'if (!running?.isSlow()) continue;',
    replace: 'if (!running) continue;',
    tests: ['services/audit/test/export/export-room.test.ts'],
  },
  {
    name: 'proven-stream-sends-unsigned-entries',
    file: 'services/audit/live/feed.ts',
    find: 'const end = proof ? (tail.checkpoint()?.size ?? 0) - 1 : Infinity;',
    replace: 'const end = Infinity;',
    tests: ['services/audit/test/live/proven-stream.test.ts'],
  },
  {
    name: 'hole-between-connections-unnoticed',
    file: 'packages/audit-verify/src/stream/connections.ts',
    find: '  if (from > reached)\n',
    replace: '  if (from > reached + 1_000)\n',
    tests: ['packages/audit-verify/test/stream/verify-stream.test.ts'],
  },
];
