const MAX_HOLES = 20;
/** There are four sources of sixteen lanes. A limit keeps a forged export from filling the memory. */
const MAX_LANES = 1_000;

export interface LaneReport {
  /** `source/lane` */
  lane: string;
  rows: number;
  first_seq: number;
  last_seq: number;
  /** Missing numbers as [first, last], the first twenty ranges. */
  holes: [number, number][];
  holes_total: number;
  /** Rows whose number is not above the previous one. */
  disordered: number;
}

/** Follows `seq` of each lane. Producers number without holes, so omissions show. */
export function createLaneContinuity(): {
  add(lane: string, seq: number): void;
  report(): LaneReport[];
} {
  const lanes = new Map<string, LaneReport>();
  return {
    add(name, seq) {
      const lane = lanes.get(name);
      if (!lane) {
        if (lanes.size < MAX_LANES)
          lanes.set(name, {
            lane: name,
            rows: 1,
            first_seq: seq,
            last_seq: seq,
            holes: [],
            holes_total: 0,
            disordered: 0,
          });
        return;
      }
      lane.rows += 1;
      if (seq <= lane.last_seq) {
        lane.disordered += 1;
        return;
      }
      if (seq !== lane.last_seq + 1) {
        lane.holes_total += 1;
        if (lane.holes.length < MAX_HOLES) lane.holes.push([lane.last_seq + 1, seq - 1]);
      }
      lane.last_seq = seq;
    },
    report: () =>
      [...lanes.values()].toSorted((a, b) => a.lane.localeCompare(b.lane, 'en', { numeric: true })),
  };
}
