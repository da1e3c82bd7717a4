import { Type, type Static } from 'typebox';
import type { TrailState } from './trail-state.ts';

/** For so long an acknowledged event may be on its way before its absence is an alarm. */
export const ALARM_AFTER_S = 60;
const UNREAD_AFTER_S = 30;
const MAX_RECONCILED_AGE_S = 10 * 60;
/** A single incident is shown for an hour. */
const RECENT_S = 60 * 60;

export const alarmSchema = Type.Object({
  code: Type.String(),
  /** Whether readers miss acknowledged events. Other alarms are warnings. */
  incomplete: Type.Boolean(),
  detail: Type.String(),
});

export type Alarm = Static<typeof alarmSchema>;

const holeAlarms = ({ sources }: TrailState): Alarm[] =>
  sources.flatMap(({ source, lanes }) =>
    lanes.flatMap(({ lane, holes }) =>
      holes
        .filter(({ age_seconds: age }) => age > ALARM_AFTER_S)
        .map(({ from, to, age_seconds: age, in_outbox: inOutbox }) => {
          const numbers = to - from + 1;
          const lost = numbers - inOutbox;
          return {
            code: lost > 0 ? 'hole_lost' : 'hole',
            incomplete: true,
            detail:
              `${source}/${lane} lacks ${from === to ? String(from) : `${from} to ${to}`} ` +
              `for ${Math.round(age)} s; ` +
              (lost > 0
                ? `${lost} of ${numbers} are in no outbox any more`
                : 'the outbox sends them again'),
          };
        }),
    ),
  );

const outboxAlarms = ({ sources }: TrailState): Alarm[] =>
  sources.flatMap(({ source, outbox }) =>
    outbox && outbox.oldest_seconds > ALARM_AFTER_S
      ? [
          {
            code: 'backlog',
            incomplete: true,
            detail:
              `the oldest event in the outbox of ${source} waits for ` +
              `${Math.round(outbox.oldest_seconds)} s`,
          },
        ]
      : [],
  );

const logAlarms = ({ log }: TrailState): Alarm[] =>
  log.oldest_unsealed_seconds > ALARM_AFTER_S
    ? [
        {
          code: 'unsealed',
          incomplete: true,
          detail:
            `${log.unsealed} numbers are stored and not sealed; ` +
            `the oldest event waits for ${Math.round(log.oldest_unsealed_seconds)} s`,
        },
      ]
    : [];

function quarantineAlarms({ quarantine, checked_at: checkedAt }: TrailState): Alarm[] {
  const { events_missing: missing, last_received_at: last } = quarantine;
  return [
    ...(missing > 0
      ? [
          {
            code: 'event_quarantined',
            incomplete: true,
            detail: `${missing} events are in quarantine and not in the log`,
          },
        ]
      : []),
    ...(last !== null && Date.parse(checkedAt) - Date.parse(last) < RECENT_S * 1_000
      ? [
          {
            code: 'record_quarantined',
            incomplete: false,
            detail: `the last record was put into quarantine at ${last}`,
          },
        ]
      : []),
  ];
}

function reconciliationAlarms({ reconciliation, checked_at: checkedAt }: TrailState): Alarm[] {
  const { checked_until: until, differences } = reconciliation;
  const byKind = Map.groupBy(
    differences,
    ({ kind, row_type: type }) => `${type} ${kind.replaceAll('_', ' ')}`,
  );
  return [
    ...[...byKind].map(([what, { length }]) => ({
      code: 'difference',
      incomplete: true,
      detail: `${length} × ${what}`,
    })),
    ...(until !== null && Date.parse(checkedAt) - Date.parse(until) > MAX_RECONCILED_AGE_S * 1_000
      ? [
          {
            code: 'reconciler_silent',
            incomplete: false,
            detail: `rows and events were compared up to ${until}`,
          },
        ]
      : []),
  ];
}

function streamAlarms({ stream, checked_at: checkedAt }: TrailState): Alarm[] {
  const readable = stream.shards.filter(({ readable: isReadable }) => isReadable);
  const unread = readable.filter(
    ({ holder, unread_seconds: unreadFor }) =>
      holder === null || unreadFor === null || unreadFor > UNREAD_AFTER_S,
  );
  const behind = readable.filter(({ lag_ms: lag }) => (lag ?? 0) > ALARM_AFTER_S * 1_000);
  const lost = stream.losses.filter(
    ({ noticed_at: noticedAt }) => Date.parse(checkedAt) - Date.parse(noticedAt) < RECENT_S * 1_000,
  );
  return [
    ...unread.map(({ shard_id: id, unread_seconds: unreadFor }) => ({
      code: 'shard_unread',
      incomplete: false,
      detail:
        `nobody has read ${id} ` + (unreadFor === null ? 'yet' : `for ${Math.round(unreadFor)} s`),
    })),
    ...behind.map(({ shard_id: id, lag_ms: lag }) => ({
      code: 'stream_lag',
      incomplete: false,
      detail: `what is stored of ${id} is ${Math.round((lag ?? 0) / 1_000)} s behind`,
    })),
    ...lost.map(({ kind, shard_id: id }) => ({
      code: 'stream_loss',
      incomplete: false,
      detail:
        kind === 'made_anew'
          ? 'the stream was made anew; the outboxes send again what was not stored'
          : `${id ?? 'a shard'} was dropped before it was read; ` +
            'the outboxes send again what was not stored',
    })),
  ];
}

/** What is wrong with the trail, worst first. */
export function findAlarms(state: TrailState): Alarm[] {
  const alarms = [
    ...holeAlarms(state),
    ...outboxAlarms(state),
    ...logAlarms(state),
    ...quarantineAlarms(state),
    ...reconciliationAlarms(state),
    ...streamAlarms(state),
  ];
  return [
    ...alarms.filter(({ incomplete }) => incomplete),
    ...alarms.filter(({ incomplete }) => !incomplete),
  ];
}
