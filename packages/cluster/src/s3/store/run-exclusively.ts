/** Runs the changes of one name one after another: what a change has read still holds. */
export async function runExclusively<T>(
  pending: Map<string, Promise<unknown>>,
  name: string,
  change: () => Promise<T>,
): Promise<T> {
  const before = pending.get(name) ?? Promise.resolve();
  const current = before.then(change, change);
  pending.set(name, current);
  try {
    return await current;
  } finally {
    if (pending.get(name) === current) pending.delete(name);
  }
}
