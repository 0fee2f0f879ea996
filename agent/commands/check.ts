import { text } from 'node:stream/consumers';
import { loadFile } from '../config/file-source.ts';
import { parseConfiguration } from '../config/load.ts';
import { parseTeamConfiguration } from '../config/team-configuration.ts';
import type { ImageSet, Mistake } from '../core/configuration.ts';
import { errorMessage, Failure } from '../core/failure.ts';
import { formatMistakes } from '../core/mistake.ts';
import type { CommandContext } from './context.ts';
import { exitCodes } from './exit-codes.ts';

export interface CheckOptions {
  readonly json: boolean;
  /** The text is a team's: whether its repositories are on a Harbor, only the main one can say. */
  readonly team: boolean;
}

type Checked =
  | { readonly ok: true; readonly imageSets: readonly ImageSet[]; readonly warnings: readonly Mistake[] }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] };

/** `stevedore check FILE`: the list of mistakes is the result, so it goes to standard output. Warnings are no failure. */
export async function check(file: string, options: CheckOptions, context: CommandContext): Promise<number> {
  const source = file === '-' ? '(standard input)' : file;
  const parse = options.team ? parseTeam : parseMain;
  const checked = file === '-' ? parse(await readInput(context), source) : await loadFile(file, parse);
  if (options.json) {
    const outcome = checked.ok ? 'success' : 'error';
    const mistakes = checked.ok ? [] : checked.mistakes;
    const warnings = checked.ok ? checked.warnings : [];
    context.stdout.write(`${JSON.stringify({ version: 1, source, outcome, mistakes, warnings })}\n`);
  } else if (checked.ok) {
    context.stdout.write(`${source}: ok, ${toCounts(checked.imageSets)}\n`);
    for (const warning of checked.warnings) {
      context.stdout.write(`warning: ${formatMistakes([warning], source)}\n`);
    }
  } else {
    context.stdout.write(`${formatMistakes(checked.mistakes, source)}\n`);
  }
  return checked.ok ? exitCodes.done : exitCodes.failed;
}

function parseMain(written: string, source: string): Checked {
  const parsed = parseConfiguration(written, source);
  return parsed.ok ? { ok: true, imageSets: parsed.configuration.imageSets, warnings: parsed.warnings } : parsed;
}

function parseTeam(written: string, source: string): Checked {
  const parsed = parseTeamConfiguration(written, source);
  return parsed.ok ? { ok: true, imageSets: parsed.imageSets, warnings: [] } : parsed;
}

async function readInput({ stdin, signal }: CommandContext): Promise<string> {
  try {
    return await text(stdin);
  } catch (error) {
    signal.throwIfAborted();
    throw new Failure('other', `cannot read standard input: ${errorMessage(error)}`, { cause: error });
  }
}

function toCounts(imageSets: readonly ImageSet[]): string {
  const images = new Set(imageSets.flatMap((imageSet) => imageSet.images)).size;
  const patterns = imageSets.reduce((sum, imageSet) => sum + imageSet.patterns.length, 0);
  const counts = [count(imageSets.length, 'image set'), count(images, 'image')];
  if (patterns > 0) counts.push(count(patterns, 'repository pattern'));
  return counts.join(', ');
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
