import type { RequestEvent } from '@muniment/server';

/** A file as its events name it. */
interface EventFile {
  id: string;
  name: string;
  size: number | null;
}

const aboutFile = ({ id, name }: Pick<EventFile, 'id' | 'name'>) => ({
  resource: id,
  resource_type: 'file',
  personal: { filename: name },
});

/** Its name is personal to the owner, for whom another may upload it. */
export const fileUploaded = (file: EventFile & { user_id: string }): RequestEvent => ({
  action: 'FILE_UPLOAD',
  ...aboutFile(file),
  subject: { userId: file.user_id },
  metadata: { size: file.size },
});

export const fileDeleted = (file: EventFile): RequestEvent => ({
  action: 'FILE_DELETE',
  ...aboutFile(file),
  metadata: { size: file.size },
});

interface Download {
  /** Derived from the request, so a retried download stays one event. */
  id: string;
  range: { start: number; end: number } | undefined;
  readerId: string;
}

/**
 * The event is the reader's, and another's file has no name in it: the owner's erasure would not
 * remove it.
 */
export const fileDownloaded = (
  file: EventFile & { user_id: string },
  { id, range, readerId }: Download,
): RequestEvent => ({
  id,
  action: 'FILE_DOWNLOAD',
  ...aboutFile(file),
  ...(readerId !== file.user_id && { personal: {} }),
  metadata: { size: file.size, ...(range && { first_byte: range.start, last_byte: range.end }) },
});

export const fileRenamed = (file: Pick<EventFile, 'id' | 'name'>): RequestEvent => ({
  action: 'FILE_RENAMED',
  ...aboutFile(file),
});
