/** Finds kustomize and helm, or builds them where that is possible; `reason` says why not. */
export function provideManifestTools(
  say: (message: string) => void,
): Promise<{ readonly kustomize?: string; readonly helm?: string; readonly reason?: string }>;
