import { defineFeature } from '@muniment/server';
import type { FileContext } from '../context.ts';
import { deleteFile } from './delete-file.ts';
import { getFileMetadata } from './get-file-metadata.ts';
import { listFiles } from './list-files.ts';
import { renameFile } from './rename-file.ts';

/** Files as their owner sees them: listed, renamed and deleted. */
export const files = defineFeature<FileContext>({
  signedIn: [listFiles, getFileMetadata, renameFile, deleteFile],
});
