import { defineFeature } from '@muniment/server';
import type { FileContext } from '../context.ts';
import { downloadFile } from './download-file.ts';

/** Downloads: the decision whether, and by which way, bytes are sent. */
export const downloads = defineFeature<FileContext>({ signedIn: [downloadFile] });
