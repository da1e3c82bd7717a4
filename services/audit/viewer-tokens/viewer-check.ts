import { createTurnBatch } from '@muniment/security';

/** Which of these viewer tokens, by id, are valid now. */
export type FindValid = (ids: readonly string[]) => Promise<ReadonlySet<string>>;

/** Whether a viewer token is valid, by a statement sent after the call. */
export type ViewerCheck = (id: string) => Promise<boolean>;

/** One statement serves all checks of a turn: hundreds of streams check twice a second each. */
export function createViewerCheck(find: FindValid): ViewerCheck {
  const check = createTurnBatch({ create: () => new Set<string>(), send: (ids) => find([...ids]) });
  return async (id) => (await check((ids) => ids.add(id))).has(id);
}
