import { InvalidReferenceError, parseReference, storedName } from '../core/image-reference.ts';
import { formatPlatform, parsePlatform } from '../core/platform.ts';
import type { Settings } from '../settings.ts';
import type { CommandContext } from './context.ts';
import { toRoundExitCode, UsageError } from './exit-codes.ts';
import { fail } from './option-values.ts';
import { createOwnAgent } from './own-agent.ts';
import { createWarmReporter } from './warm-reporter.ts';

/** As commander hands them over. */
export interface WarmCommandOptions {
  readonly platform?: readonly string[];
  readonly dryRun?: boolean;
  readonly sizes?: boolean;
  readonly json?: boolean;
}

const platformPattern = /^[a-z0-9]+\/[a-z0-9_-]+(?:\/[a-z0-9.]+)?$/i;

/** `stevedore warm`: beside a running agent and without one. @throws UsageError */
export async function warm(
  settings: Settings,
  images: readonly string[],
  { platform, dryRun = false, sizes = false, json = false }: WarmCommandOptions,
  context: CommandContext,
): Promise<number> {
  if (sizes && !dryRun) throw new UsageError('--sizes has an effect only with --dry-run');
  const request = {
    images: unlike(images.map(parseImage)),
    platforms: platform === undefined ? undefined : unlike(platform.map(parsePlatformOption)),
    dryRun: dryRun ? (sizes ? 'sizes' : 'look') : 'off',
  } as const;
  const { stdout, signal } = context;
  const agent = await createOwnAgent(settings, context);
  const { report, close } = createWarmReporter(json ? 'json' : 'text', stdout);
  try {
    return toRoundExitCode(await agent.warm(request, report, signal));
  } finally {
    close();
  }
}

function parseImage(value: string): string {
  try {
    return storedName(parseReference(value));
  } catch (error) {
    if (error instanceof InvalidReferenceError) return fail({ name: 'IMAGE', value }, error.rule);
    throw error;
  }
}

function parsePlatformOption(value: string): string {
  if (!platformPattern.test(value)) {
    return fail(
      { name: '--platform', value },
      'must be OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, for example linux/arm64',
    );
  }
  return formatPlatform(parsePlatform(value));
}

function unlike(values: readonly string[]): readonly string[] {
  return [...new Set(values)];
}
