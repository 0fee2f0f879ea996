/** Who removes the images: the form that all of them share. */

/** How many bytes somebody says have come back. */
export interface Claim {
  readonly what: string;
  readonly bytes: number;
}

export interface PruneVariant {
  readonly name: string;
  /** Everything that is not measured. */
  prepare(signal: AbortSignal): Promise<PreparedPrune>;
}

export interface PreparedPrune {
  /** Removes every image that no container uses, and returns when whoever does it says that it is done. */
  run(): Promise<void>;
  /** After the run, not measured. */
  claims(): Promise<readonly Claim[]>;
  /** Of processes that are not this one's ended children; they work for the client, as this process does. */
  readonly pid?: number;
  close(): Promise<void>;
}

export const agentVariants = ['stevedore, running agent', 'stevedore prune'] as const;
