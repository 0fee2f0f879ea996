import { InvalidReferenceError, type ImageReference, parseReference } from '../core/image-reference.ts';
import type { FindingLevel } from '../core/doctor-report.ts';
import { createLogger } from '../ops/log.ts';
import type { Settings } from '../settings.ts';
import type { CommandContext } from './context.ts';
import { toFindingText, toSummaryText } from './doctor-text.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { fail, parsePath } from './option-values.ts';

/** As commander hands them over. */
export interface DoctorCommandOptions {
  readonly hostRoot?: string;
  readonly pull?: string;
  readonly json?: boolean;
}

/**
 * `stevedore doctor`: the findings are the result, so they go to standard output as they are made; as JSON all at once.
 * @throws UsageError
 */
export async function doctor(
  settings: Settings,
  { hostRoot, pull, json = false }: DoctorCommandOptions,
  context: CommandContext,
): Promise<ExitCode> {
  const { stdout, stderr, signal } = context;
  const options = {
    hostRoot: hostRoot === undefined ? undefined : parsePath({ name: '--host-root', value: hostRoot }, ''),
    pull: pull === undefined ? undefined : parseImage(pull),
  };
  const log = createLogger(settings.logLevel, stderr);
  const terminal = stdout.isTTY === true ? stdout : undefined;
  const diagnose = await context.loadDoctor();
  const report = await diagnose(
    settings,
    { log },
    options,
    (finding) => {
      if (!json) stdout.write(`${toFindingText(finding, terminal)}\n`);
    },
    signal,
  );
  stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : `\n${toSummaryText(report.findings)}\n`);
  return toExitCode(report.worst);
}

function toExitCode(worst: FindingLevel): ExitCode {
  switch (worst) {
    case 'ok':
    case 'not_checked':
      return exitCodes.done;
    case 'warning':
      return exitCodes.partlyDone;
    case 'failure':
      return exitCodes.failed;
  }
}

function parseImage(value: string): ImageReference {
  try {
    return parseReference(value);
  } catch (error) {
    if (error instanceof InvalidReferenceError) return fail({ name: '--pull', value }, error.rule);
    throw error;
  }
}
