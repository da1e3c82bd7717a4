import type { Mutant } from './mutant.ts';

const TRANSACTIONS = 'packages/server/src/audit/transactions.ts';
const DEFERRED_TEST = 'packages/server/test/audit/deferred-commits.test.ts';
const TRANSACTIONS_TEST = 'packages/server/test/audit/transactions.test.ts';
const IDEMPOTENCY_TEST = 'packages/server/test/idempotency/idempotency.test.ts';

/** A change and its event in one transaction, also under an Idempotency-Key. */
export const TRANSACTION_MUTANTS: Mutant[] = [
  {
    name: 'change-without-event',
    file: TRANSACTIONS,
    find: `      if (rows.length === 0) throw new Error('a change without an audit event');
`,
    replace: '',
    tests: [TRANSACTIONS_TEST],
  },
  {
    name: 'ended-session-changes',
    file: TRANSACTIONS,
    find: `      if (principal && !(await parts.revalidatePrincipal(principal))) throw new Unauthenticated();
`,
    replace: '',
    tests: [TRANSACTIONS_TEST],
  },
  {
    name: 'conflict-not-retried',
    file: TRANSACTIONS,
    find: 'const MAX_ATTEMPTS = 3;',
    replace: 'const MAX_ATTEMPTS = 1;',
    tests: [TRANSACTIONS_TEST],
  },
  {
    name: 'any-error-retried',
    file: TRANSACTIONS,
    find: '|| !isTransactionConflict(error) ||',
    replace: '||',
    tests: [TRANSACTIONS_TEST],
  },
  {
    name: 'runs-again-after-its-answer',
    file: TRANSACTIONS,
    find: 'retryConflicts(attempt, () => !answered)',
    replace: 'retryConflicts(attempt)',
    tests: [DEFERRED_TEST],
  },
  {
    name: 'first-record-lost',
    file: TRANSACTIONS,
    find: `  await before?.end('commit');
`,
    replace: '',
    tests: [DEFERRED_TEST],
  },
  {
    name: 'acts-before-the-commit',
    file: TRANSACTIONS,
    find: `if (request.idempotency?.pending) request.idempotency.pending.afterCommit.push(act);
  else act();`,
    replace: 'act();',
    tests: [DEFERRED_TEST],
  },
  {
    name: 'acts-after-a-rollback',
    file: TRANSACTIONS,
    find: 'if (error instanceof RolledBack) return;',
    replace: `if (error instanceof RolledBack) void error;
        else`,
    tests: [DEFERRED_TEST],
  },
  {
    name: 'never-acts-after-the-commit',
    file: TRANSACTIONS,
    find: `      for (const act of pending.afterCommit) act();
`,
    replace: '',
    tests: [DEFERRED_TEST],
  },
  {
    name: 'relay-not-woken',
    file: TRANSACTIONS,
    find: `      const result = await retryConflicts(() => run(runner, request, { change }));
      parts.onCommit();`,
    replace: '      const result = await retryConflicts(() => run(runner, request, { change }));',
    tests: [DEFERRED_TEST],
  },
  {
    name: 'relay-not-woken-by-a-record',
    file: TRANSACTIONS,
    find: `      await insert(row);
      parts.onCommit();`,
    replace: '      await insert(row);',
    tests: [DEFERRED_TEST],
  },
  {
    name: 'relay-not-woken-by-a-deferred-commit',
    file: TRANSACTIONS,
    find: `      onCommit();
      for (const act`,
    replace: '      for (const act',
    tests: [DEFERRED_TEST],
  },
  {
    name: 'insert-of-events-unchecked',
    file: TRANSACTIONS,
    find: `    await written;
    return result;`,
    replace: '    return result;',
    tests: [TRANSACTIONS_TEST],
  },
  {
    name: 'key-not-claimed',
    file: TRANSACTIONS,
    find: `      if (beforeCommit) await request.idempotency?.claim(trx);
`,
    replace: '',
    tests: [IDEMPOTENCY_TEST],
  },
  {
    name: 'rollback-commits',
    file: TRANSACTIONS,
    find: `      if (outcome === 'roll back') throw new RolledBack();
`,
    replace: '',
    tests: [IDEMPOTENCY_TEST],
  },
  {
    name: 'held-connections-unbounded',
    file: TRANSACTIONS,
    find: `    const ended: Promise<void> = runner.gate
      .run(() => retryConflicts(attempt, () => !answered))`,
    replace: '    const ended: Promise<void> = retryConflicts(attempt, () => !answered)',
    tests: [DEFERRED_TEST],
  },
  {
    name: 'api-token-unnamed',
    file: TRANSACTIONS,
    find: '      metadata: { ...event.metadata, api_token: principal.apiToken.id },',
    replace: '      metadata: { ...event.metadata },',
    tests: [TRANSACTIONS_TEST],
  },
];
