export interface TurnBatchOptions<Batch, Answer> {
  create: () => Batch;
  send: (batch: Batch) => Promise<Answer>;
}

/**
 * Sends the calls of one turn of the event loop as one batch.
 * A batch leaves after the last call that joined it, so each answer is newer than its question.
 */
export function createTurnBatch<Batch, Answer>({ create, send }: TurnBatchOptions<Batch, Answer>) {
  let current: { batch: Batch; answer: Promise<Answer> } | undefined;

  async function sendAfterTurn(batch: Batch): Promise<Answer> {
    await new Promise((resolve) => setImmediate(resolve));
    current = undefined;
    return send(batch);
  }

  function open(): { batch: Batch; answer: Promise<Answer> } {
    const batch = create();
    return { batch, answer: sendAfterTurn(batch) };
  }

  /** @param add puts the question into the batch of this turn */
  return (add: (batch: Batch) => void): Promise<Answer> => {
    current ??= open();
    add(current.batch);
    return current.answer;
  };
}
