import type { ReasonOf } from './conditions.ts';

/** Why a stream cannot be configured: the condition Accepted is false for this reason. */
export interface CompileProblem {
  readonly reason: ReasonOf<'Accepted'>;
  /** A sentence that says what to change. */
  readonly message: string;
  /** Whether a configuration that is in force must end; otherwise it stays, so that a mistake cuts nobody. */
  readonly revokes: boolean;
}
