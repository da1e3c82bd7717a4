import type { BaseContext } from '../context.ts';
import { createViewerCheck, type ViewerCheck } from './viewer-check.ts';
import { findValidTokenIds } from './viewer-token-queries.ts';

export const openViewerCheck = ({ data: { db } }: BaseContext): ViewerCheck =>
  createViewerCheck((ids) => findValidTokenIds(db, ids));
