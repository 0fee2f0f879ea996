/** The kinds of value that repository patterns are made of. */

import { RE2JS, RE2JSSyntaxException } from 're2js';
import validRange from 'semver/ranges/valid.js';
import * as z from 'zod';
import { publicKeyRule } from '../core/cosign-signature.ts';
import { normaliseHost, registryHostRule } from '../core/image-reference.ts';
import { text } from './fields.ts';

const maxGlobLength = 255;
/** What one glob costs grows with each of them, and names are matched by the thousand. */
const maxStars = 5;
const maxExpressionLength = 1_000;
const maxKeyLength = 10_000;
/** Harbor's. */
const maxLabelLength = 128;

export interface RepositoryGlobs {
  readonly registry: string;
  readonly project: string;
  readonly repository: string;
}

/** `host/project/repository`, the latter two as globs. */
export const repositoryGlobs = z.string().transform((value, context): RepositoryGlobs => {
  const [host = '', project = '', ...rest] = value.split('/');
  const repository = rest.join('/');
  const rule = repositoryRule(value, host, project, repository);
  if (rule === undefined) return { registry: normaliseHost(host), project, repository };
  context.addIssue(rule);
  return z.NEVER;
});

function repositoryRule(value: string, host: string, project: string, repository: string): string | undefined {
  if (value.includes('://')) return 'a repository has no scheme such as https://';
  if (/[*?{}]/.test(host)) return 'the host cannot be a glob: one entry is for one Harbor';
  if (repository === '') return 'must have a host, a project and a repository, as in harbor.example.com/ml/*';
  const fault = registryHostRule(host);
  if (fault !== undefined) return fault;
  if (/[:@]/.test(project + repository)) return 'a repository has neither tag nor digest: tags says which of its tags';
  if (project === '**') return 'a project is one part of the name: write * for all projects';
  return globRule(project, nameCharacters) ?? globRule(repository, nameCharacters);
}

const nameCharacters = { allowed: /^[a-z0-9._/*?{},-]+$/, words: 'a-z 0-9 . _ - / and * ? {a,b}' };
const tagCharacters = { allowed: /^[A-Za-z0-9._*?{},-]+$/, words: 'A-Z a-z 0-9 . _ - and * ? {a,b}' };

function globRule(glob: string, { allowed, words }: typeof nameCharacters): string | undefined {
  if (glob.length > maxGlobLength) return `a glob has at most ${maxGlobLength} characters`;
  if (glob.startsWith('!')) return 'a glob cannot be negated';
  if (!allowed.test(glob)) return `a glob is made of ${words}`;
  if (glob.split('/').includes('')) return 'a part of the name is empty';
  if (glob.includes('..')) return 'names have no .., and ranges are not expanded';
  if ((glob.match(/\*+/g) ?? []).length > maxStars) return `a glob has at most ${maxStars} *`;
  return bracesRule(glob);
}

function bracesRule(glob: string): string | undefined {
  let open = false;
  for (const character of glob) {
    if (character === '{' && open) return 'braces cannot stand inside braces';
    if (character === '}' && !open) return 'a } closes nothing';
    if (character === ',' && !open) return 'a comma stands only in braces, as in {a,b}';
    if (character === '{') open = true;
    if (character === '}') open = false;
  }
  return open ? 'a { is not closed' : undefined;
}

export const tagGlob = text((value) => (value === '' ? 'must not be empty' : globRule(value, tagCharacters)));

/** RE2, as Go has it. */
export const expression = text((value) => {
  if (value === '') return 'must not be empty';
  if (value.length > maxExpressionLength) return `an expression has at most ${maxExpressionLength} characters`;
  try {
    RE2JS.compile(value);
    return undefined;
  } catch (error) {
    if (!(error instanceof RE2JSSyntaxException)) throw error;
    if (/\(\?<?[=!]/.test(value))
      return 'RE2 has no look-ahead and look-behind: write what must be there, or use match';
    if (/\\[1-9]/.test(value)) return 'RE2 has no back references such as \\1';
    return `is no RE2 expression: ${error.message.replace('error parsing regexp: ', '')}`;
  }
});

export const versionRange = text((value) =>
  value.trim() !== '' && value.length <= maxGlobLength && validRange(value) !== null
    ? undefined
    : 'must be a range of semantic versions such as ">=1.4 <2", ^2.1 or 1.x',
);

export const harborLabel = text((value) =>
  value.trim() === value && value !== '' && value.length <= maxLabelLength
    ? undefined
    : `must be the name of a Harbor label, of 1 to ${maxLabelLength} characters`,
);

/** In PEM. */
export const publicKey = text((value) =>
  value.length > maxKeyLength ? `a public key has at most ${maxKeyLength} characters` : publicKeyRule(value),
);
