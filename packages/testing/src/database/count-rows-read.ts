interface PlanNode {
  'Relation Name'?: string;
  /** Each of a loop. */
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: PlanNode[];
}

/** A row of `explain (analyze, format json)`. */
export interface ExplainRow {
  'QUERY PLAN': [{ Plan: PlanNode }];
}

/** Counts the rows of a table and its partitions that a statement has read. */
export function countRowsRead(rows: readonly ExplainRow[], table: string): number {
  const count = (node: PlanNode): number =>
    (node['Relation Name']?.startsWith(table)
      ? (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops']
      : 0) + (node.Plans ?? []).reduce((sum, inner) => sum + count(inner), 0);
  if (!rows[0]) throw new Error('PostgreSQL explained nothing');
  return count(rows[0]['QUERY PLAN'][0].Plan);
}
