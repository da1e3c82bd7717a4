import pg from 'pg';

/** Data exceptions, integrity violations and program limits: this content can never be stored. */
export const isRefusedContent = (error: unknown): error is pg.DatabaseError =>
  error instanceof pg.DatabaseError && /^(22|23|54)/.test(error.code ?? '');
