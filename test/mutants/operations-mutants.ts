import type { Mutant } from './mutant.ts';

const ALERTS = 'docker/prometheus/alerts.yml';
const DASHBOARD = 'docker/grafana/dashboards/muniment.json';
const COMPOSE = 'docker-compose.yml';
const BUSY_PORT = 'packages/cluster/src/fleet/plan/busy-port.ts';
const PREPARE = 'packages/cluster/src/fleet/plan/prepare-fleet.ts';
const BUSY_PORT_TEST = 'packages/cluster/test/fleet/plan/busy-port.test.ts';
const REFUSED_TEST = 'packages/cluster/test/refused-restart.test.ts';
const PROMTOOL_TEST = 'test/monitoring/promtool.test.ts';
const MONITORING_TEST = 'test/monitoring/monitoring.test.ts';
const COMPOSE_TEST = 'test/compose.test.ts';
const USER_METRICS_TEST = 'services/user/test/metrics.test.ts';

/** What operators rely on: a start that fails, alerts, counters, containers. */
export const OPERATIONS_MUTANTS: Mutant[] = [
  {
    name: 'fleet-stopped-before-the-checks',
    file: 'packages/cluster/src/up.ts',
    find: '  const fleet = await prepareAll(settings);\n  await stopFleet(data, report);\n',
    replace: '  await stopFleet(data, report);\n  const fleet = await prepareAll(settings);\n',
    tests: [REFUSED_TEST],
  },
  {
    name: 'only-the-first-port-checked',
    file: PREPARE,
    find: 'for (const { port, ...use } of fixed) await',
    replace: 'for (const { port, ...use } of fixed.slice(0, 1)) await',
    tests: [REFUSED_TEST],
  },
  {
    name: 'word-cors-ignored',
    file: 'Makefile',
    find: " $(if $(CORS),CORS_ORIGINS='$(CORS)')",
    replace: '',
    tests: ['test/scripts/make-up-cors.test.ts'],
  },
  {
    name: 'ports-of-the-running-fleet-refused',
    file: BUSY_PORT,
    find: 'return inodes.every((inode) => isHeldBy(stopping, inode));',
    replace: 'return false;',
    tests: [BUSY_PORT_TEST],
  },
  {
    name: 'port-shared-with-the-fleet-counts-as-free',
    file: BUSY_PORT,
    find: 'return inodes.every((inode) => isHeldBy(stopping, inode));',
    replace: 'return inodes.some((inode) => isHeldBy(stopping, inode));',
    tests: [BUSY_PORT_TEST],
  },
  {
    name: 'refused-port-counts-as-free',
    file: BUSY_PORT,
    find: '  return canListen(port);',
    replace: '  return true;',
    tests: [BUSY_PORT_TEST],
  },
  {
    name: 'gone-service-without-a-name',
    file: ALERTS,
    find: 'or absent(up{job="user"}) or absent(up{job="file"}) or absent(up{job="audit"})',
    replace: 'or absent(up{job=~"user|file|audit"})',
    tests: [PROMTOOL_TEST],
  },
  {
    name: 'stuffing-without-its-pattern',
    file: ALERTS,
    find: 'sum by (pattern) (increase(muniment_credential_stuffing_detected_total[15m])) > 0',
    replace: 'sum(increase(muniment_credential_stuffing_detected_total[15m])) > 0',
    tests: [PROMTOOL_TEST],
  },
  {
    name: 'stuffing-from-the-second-time-on',
    file: ALERTS,
    find: 'sum by (pattern) (increase(muniment_credential_stuffing_detected_total[15m])) > 0',
    replace: 'sum by (pattern) (increase(muniment_credential_stuffing_detected_total[15m])) > 2',
    tests: [PROMTOOL_TEST],
  },
  {
    name: 'mails-given-up-under-another-label',
    file: ALERTS,
    find: 'increase(muniment_mail_failures_total{outcome="dead"}[1h])',
    replace: 'increase(muniment_mail_failures_total{outcome="given_up"}[1h])',
    tests: [PROMTOOL_TEST],
  },
  {
    name: 'altered-history-by-another-value',
    file: ALERTS,
    find: 'max(muniment_sealer_history_altered) == 1',
    replace: 'min(muniment_sealer_history_altered) == 1',
    tests: [PROMTOOL_TEST],
  },
  {
    name: 'one-outbox-hides-another',
    file: ALERTS,
    find: 'sum by (job, source) (muniment_relay_leading) < 1',
    replace: 'sum by (job) (muniment_relay_leading) < 1',
    tests: [PROMTOOL_TEST],
  },
  {
    name: 'unknown-trail-taken-for-known',
    file: ALERTS,
    find: 'absent(muniment_trail_complete >= 0)',
    replace: 'absent(muniment_trail_complete)',
    tests: [PROMTOOL_TEST],
  },
  {
    name: 'busy-log-alarms',
    file: ALERTS,
    find: 'max(muniment_sealer_tree_size offset 2m)',
    replace: 'max(muniment_sealer_tree_size)',
    tests: [PROMTOOL_TEST],
  },
  {
    name: 'alert-that-never-fires-under-load',
    file: ALERTS,
    find: 'rate(http_request_duration_seconds_count{status=~"5.."}[5m])',
    replace: 'rate(http_request_duration_seconds_count{status="500"}[5m])',
    tests: [PROMTOOL_TEST],
  },
  {
    name: 'metric-in-no-panel',
    file: DASHBOARD,
    find: 'max by (kind) (muniment_revocations)',
    replace: 'max by (kind) (muniment_sessions)',
    tests: [MONITORING_TEST],
  },
  {
    name: 'counters-begin-with-their-first-event',
    file: 'packages/server/src/operations/create-counter.ts',
    find: '  for (const series of combine(labelNames, labels)) counter.inc(series, 0);\n',
    replace: '',
    tests: [USER_METRICS_TEST],
  },
  {
    name: 'one-outcome-not-at-zero',
    file: 'services/user/mail/mail-metrics.ts',
    find: "labels: { outcome: ['postponed', 'dead'] },",
    replace: "labels: { outcome: ['postponed'] },",
    tests: [USER_METRICS_TEST],
  },
  {
    name: 'scrape-without-its-token',
    file: 'docker/prometheus/prometheus.yml',
    find: `  - job_name: file
    authorization: { credentials_file: /run/secrets/prometheus_token }
`,
    replace: '  - job_name: file\n',
    tests: [COMPOSE_TEST],
  },
  {
    name: 'node-is-process-one',
    file: COMPOSE,
    find: '  init: true # process 1',
    replace: '  init: false # process 1',
    tests: [COMPOSE_TEST],
  },
  {
    name: 'container-killed-before-its-stop',
    file: COMPOSE,
    find: '  stop_grace_period: 40s # more than SHUTDOWN_TIMEOUT_MS',
    replace: '  stop_grace_period: 10s # more than SHUTDOWN_TIMEOUT_MS',
    tests: [COMPOSE_TEST],
  },
  {
    name: 'setting-that-does-not-arrive',
    file: COMPOSE,
    find: '  LIMIT_RULES: ${LIMIT_RULES:-}\n',
    replace: '',
    tests: ['test/containers/settings-arrive.test.ts'],
  },
  {
    name: 'bucket-needs-a-program-it-lacks',
    file: 'docker/object-store/prepare.sh',
    find: '  policy_for "$1" "$2" > "$SCRATCH/$2"\n',
    replace: '  sed "s/BUCKET/$1/g" "$POLICIES/$2" > "$SCRATCH/$2"\n',
    tests: ['test/containers/prepare-buckets.test.ts'],
  },
];
