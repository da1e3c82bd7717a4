const FIRST_RELEASE = 'was there before 0.1.0, the first release: no database was in use';
const INDEX = 'builds an index in its transaction: ';
const CONSUMER = 'the consumer waits, and requests do not';
const EARLY = 'it came before the rule';

/**
 * Migrations that broke the rules before there were any, each with the reason why it may stay. They
 * are frozen: every database that was migrated has them.
 */
export const KNOWN_MIGRATIONS: Readonly<Record<string, string>> = {
  'audit_events/0002_key_rotation_and_search_key': FIRST_RELEASE,
  'user/0002_accountable_rows': FIRST_RELEASE,
  'user/0004_api_tokens': FIRST_RELEASE,
  'user/0009_key_rotation': FIRST_RELEASE,
  'file/0002_accountable_rows': FIRST_RELEASE,
  'audit/0003_search_terms': FIRST_RELEASE,
  'audit/0005_completeness': FIRST_RELEASE,
  'audit/0008_query_indexes': FIRST_RELEASE,
  'user/0013_reset_links': `${INDEX}the table holds links of half an hour, so few rows`,
  'user/0015_directory': `${INDEX}sign-up and profile changes wait for nine of them; ${EARLY}`,
  'audit/0010_app_event_expiry': `${INDEX}events of other products wait in their clients; ${EARLY}`,
  'audit/0011_events_about_others': `${INDEX}${CONSUMER}; ${EARLY}`,
  'audit/0012_events_by_source_and_outcome': `${INDEX}${CONSUMER}; ${EARLY}`,
};
