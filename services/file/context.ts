import type { ServiceContext } from '@muniment/server';
import type { Config } from './config.ts';
import type { FindFile } from './files/file-reader.ts';
import type { ObjectBatches } from './object-batches/object-batches.ts';
import type { ObjectStore } from './object-store/object-store.ts';
import type { Presign } from './object-store/presign.ts';
import type { Tables } from './tables.ts';

/** The file service's parts in groups. */
export interface FileContext extends ServiceContext<Tables> {
  config: Config;
  /** Where the bytes of files lie. */
  store: ObjectStore;
  /** Names the objects of uploads in progress. */
  batches: ObjectBatches;
  /** Makes the short-lived URL by which the gateway fetches an object. */
  presign: Presign;
  findFile: FindFile;
}
