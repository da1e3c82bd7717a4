/** For each node, the nodes that its arrows lead to. */
export type Graph = ReadonlyMap<string, ReadonlySet<string>>;

/** Finds the shortest path by breadth-first search. Both ends are part of it. */
function findPath(graph: Graph, from: string, to: string): string[] | undefined {
  const cameFrom = new Map<string, string | undefined>([[from, undefined]]);
  for (const node of cameFrom.keys()) {
    if (node === to) {
      const path: string[] = [];
      for (let step: string | undefined = to; step !== undefined; step = cameFrom.get(step))
        path.unshift(step);
      return path;
    }
    // A map visits what is added during the loop, so it serves as the queue.
    for (const next of graph.get(node) ?? []) if (!cameFrom.has(next)) cameFrom.set(next, node);
  }
  return undefined;
}

/** Starts with the first node by name, so that equal cycles compare equal. */
function normalizeCycle(nodes: readonly string[]): string[] {
  const start = nodes.indexOf(nodes.toSorted()[0] ?? '');
  return [...nodes.slice(start), ...nodes.slice(0, start)];
}

/** Finds the shortest cycle through each arrow that lies on one. Each cycle is listed once. */
export function findCycles(graph: Graph): string[][] {
  const cycles = new Map<string, string[]>();
  for (const [from, targets] of graph) {
    for (const to of targets) {
      const path = from === to ? undefined : findPath(graph, to, from);
      if (!path) continue;
      const cycle = normalizeCycle([from, ...path.slice(0, -1)]);
      cycles.set(cycle.join(' '), cycle);
    }
  }
  return [...cycles.values()];
}
