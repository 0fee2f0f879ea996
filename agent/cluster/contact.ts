/**
 * Puts together what is known of several watches: alive when all of them are, and not when one is known not to be. Tells only
 * changes; before all have been heard of there is nothing to tell but a problem.
 */
export function createContact<Name extends string>(
  names: readonly Name[],
  tell: (live: boolean, problem: string | undefined) => void,
): (name: Name, problem: string | undefined) => void {
  const heard = new Map<Name, string | undefined>();
  let told: string | undefined;
  let hasTold = false;
  return (name, problem) => {
    heard.set(name, problem);
    const problems = [...heard.values()].filter((one) => one !== undefined);
    const [first] = problems;
    if (first === undefined && heard.size < names.length) return;
    if (hasTold && (told === undefined) === (first === undefined)) return;
    hasTold = true;
    told = first;
    tell(first === undefined, first);
  };
}
