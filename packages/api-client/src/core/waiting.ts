/** Resolves after `ms`. @throws the signal's reason as soon as there is one */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const passed = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  try {
    await untilAborted(signal, passed);
  } finally {
    // A timer that is left would keep a program of Node from its end.
    clearTimeout(timer);
  }
}

/** The promise, or the signal's reason, whichever comes first. The promise itself goes on. */
export async function untilAborted<T>(
  signal: AbortSignal | undefined,
  promise: Promise<T>,
): Promise<T> {
  if (signal === undefined) return promise;
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    if (onAbort) signal.removeEventListener('abort', onAbort);
  }
}

export interface Timeout {
  signal: AbortSignal;
  /** From now on only the caller's signal counts. */
  clear(): void;
}

/** Aborts after `ms`, or with the caller's signal. */
export function startTimeout(ms: number | undefined, signal: AbortSignal | undefined): Timeout {
  const controller = new AbortController();
  const timer =
    ms === undefined
      ? undefined
      : setTimeout(() => controller.abort(timeoutError(`No answer within ${ms} ms.`)), ms);
  return {
    signal: signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]),
    clear: () => clearTimeout(timer),
  };
}

export const timeoutError = (text: string): Error => new DOMException(text, 'TimeoutError');
