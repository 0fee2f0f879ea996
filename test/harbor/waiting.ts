/** Waits by asking: a real Harbor takes its time, and a busy machine more. */

/** Of tests that wait for a real Harbor's background. */
export const patientMs = 240_000;

/** Asks again and again. @throws Error after a generous time */
export async function until(isTrue: () => Promise<boolean>, words: string, withinMs = patientMs / 2): Promise<void> {
  const end = Date.now() + withinMs;
  for (let pauseMs = 25; !(await isTrue()); pauseMs = Math.min(1_000, pauseMs * 1.5)) {
    if (Date.now() > end) throw new Error(`it did not come about: ${words}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
