import manifest from '../../package.json' with { type: 'json' };

export interface BuildInfo {
  readonly version: string;
  /** The commit that was built; `unknown` when run from sources. */
  readonly revision: string;
  readonly nodeVersion: string;
}

/** The container image's build says the revision in STEVEDORE_REVISION. */
export function readBuildInfo(environment: NodeJS.ProcessEnv): BuildInfo {
  return {
    version: manifest.version,
    revision: environment['STEVEDORE_REVISION'] || 'unknown',
    nodeVersion: process.versions.node,
  };
}
