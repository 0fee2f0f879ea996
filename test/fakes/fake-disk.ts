/** The image filesystem of a fake runtime: what its store takes, and what somebody else writes. */

import { tmpdir } from 'node:os';
import type { ImageFilesystem } from '../../agent/core/node-images.ts';

export interface DiskUsage {
  readonly bytes: number;
  readonly files: number;
}

/** Tests change the figures as they like, also while pulls and removals run. */
export class FakeDisk {
  sizeBytes = 1e15;
  /** What somebody else's files take. */
  otherBytes = 0;
  files = 1e9;
  otherFiles = 0;
  readonly #usage: () => DiskUsage;

  constructor(usage: () => DiskUsage) {
    this.#usage = usage;
  }

  get availBytes(): number {
    return Math.max(0, this.sizeBytes - this.otherBytes - this.#usage().bytes);
  }

  /** As statfs would tell it now. */
  read(): ImageFilesystem {
    return {
      mountpoint: tmpdir(),
      sizeBytes: this.sizeBytes,
      availBytes: this.availBytes,
      files: this.files,
      filesFree: Math.max(0, this.files - this.otherFiles - this.#usage().files),
    };
  }
}
