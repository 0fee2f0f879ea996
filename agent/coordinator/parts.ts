/** What the parts of the coordinator are handed. */

import type { CredentialSource } from '../core/configuration.ts';
import type { Credential, ImageName } from '../core/credentials.ts';

/** Credentials that may open a repository, in the order to try them: those of `sources` first, then the configuration's common ones. */
export type CredentialsFor = (image: ImageName, sources: readonly CredentialSource[]) => Promise<readonly Credential[]>;

/** 0 to 1, as Math.random gives it. */
export type Random = () => number;
