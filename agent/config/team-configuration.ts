/** A team's ConfigMap: image sets and nothing else, each as in the main configuration but for its credentials. */

import * as z from 'zod';
import type { CredentialSource } from '../core/configuration.ts';
import type { ParsedTeam } from '../core/team-image-sets.ts';
import { imageSetList } from './image-set-schema.ts';
import { parseText } from './load.ts';
import { findRepositoryPlaces } from './repository-places.ts';
import { sections } from './schema.ts';

const noCredentials = z
  .never({
    error:
      "must not stand in a team's ConfigMap: it names files inside the agent, and one team could pull with what is there for another; only the main ConfigMap has credentials",
  })
  .optional()
  .transform((): readonly CredentialSource[] => []);

const onlyInMain = z.never({ error: "must stand in the main ConfigMap: a team's has imageSets alone" }).optional();

const teamSchema = z.strictObject({
  ...Object.fromEntries(sections.map((section) => [section, onlyInMain])),
  imageSets: imageSetList(noCredentials),
});

/** Never throws. `source` names the ConfigMap and comes back unchanged, for messages. */
export function parseTeamConfiguration(text: string, source: string): ParsedTeam {
  const parsed = parseText(text, teamSchema);
  if (!parsed.ok) return { ok: false, source, mistakes: parsed.mistakes };
  const { imageSets } = parsed.value;
  const nameLines = imageSets.map((_, index) => parsed.text.locate(['imageSets', index, 'name']).line);
  const repositories = findRepositoryPlaces(parsed.text);
  return { ok: true, source, imageSets, nameLines, repositories };
}
