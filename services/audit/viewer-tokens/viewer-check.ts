/** Which of these viewer tokens, by id, count now. */
export type FindCounting = (ids: readonly string[]) => Promise<ReadonlySet<string>>;

/** Whether a viewer token counts, by a statement sent after the call. */
export type ViewerCheck = (id: string) => Promise<boolean>;

/** Asks for all that is asked of it in one turn of the event loop by one statement: a replica looks after hundreds of streams, each twice a second. */
export function createViewerCheck(find: FindCounting): ViewerCheck {
  let gathering: { ids: Set<string>; counting: Promise<ReadonlySet<string>> } | undefined;

  async function send(ids: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    await new Promise((resolve) => setImmediate(resolve));
    gathering = undefined;
    return find([...ids]);
  }

  function gather(): { ids: Set<string>; counting: Promise<ReadonlySet<string>> } {
    const ids = new Set<string>();
    return { ids, counting: send(ids) };
  }

  return async (id) => {
    gathering ??= gather();
    gathering.ids.add(id);
    return (await gathering.counting).has(id);
  };
}
