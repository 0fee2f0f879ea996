import { text } from 'node:stream/consumers';
import { loadConfigurationFile } from '../config/file-source.ts';
import { type ParsedConfiguration, parseConfiguration } from '../config/load.ts';
import { errorMessage, Failure } from '../core/failure.ts';
import { formatMistakes } from '../core/mistake.ts';
import type { CommandContext } from './context.ts';
import { exitCodes } from './exit-codes.ts';

/** `stevedore check FILE`: the list of mistakes is the result, so it goes to standard output. Warnings are no failure. */
export async function check(file: string, json: boolean, context: CommandContext): Promise<number> {
  const source = file === '-' ? '(standard input)' : file;
  const parsed = await parse(file, source, context);
  if (json) {
    const outcome = parsed.ok ? 'success' : 'error';
    const mistakes = parsed.ok ? [] : parsed.mistakes;
    const warnings = parsed.ok ? parsed.warnings : [];
    context.stdout.write(`${JSON.stringify({ version: 1, source, outcome, mistakes, warnings })}\n`);
  } else if (parsed.ok) {
    const { imageSets } = parsed.configuration;
    const images = new Set(imageSets.flatMap((imageSet) => imageSet.images)).size;
    context.stdout.write(`${source}: ok, ${count(imageSets.length, 'image set')}, ${count(images, 'image')}\n`);
    for (const warning of parsed.warnings) {
      context.stdout.write(`warning: ${formatMistakes([warning], source)}\n`);
    }
  } else {
    context.stdout.write(`${formatMistakes(parsed.mistakes, source)}\n`);
  }
  return parsed.ok ? exitCodes.done : exitCodes.failed;
}

async function parse(file: string, source: string, { stdin, signal }: CommandContext): Promise<ParsedConfiguration> {
  if (file !== '-') return loadConfigurationFile(file);
  try {
    return parseConfiguration(await text(stdin), source);
  } catch (error) {
    signal.throwIfAborted();
    throw new Failure('other', `cannot read standard input: ${errorMessage(error)}`, { cause: error });
  }
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
