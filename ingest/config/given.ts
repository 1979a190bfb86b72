import type { SettingKey } from './flags.ts';

/** One setting as someone wrote it. */
export interface Given<K extends string = SettingKey> {
  readonly key: K;
  readonly value: unknown;
  /** For messages: `--listen`, `HEADWATER_LISTEN`, `headwater.yaml:3:11 rtmp.listen`. */
  readonly where: string;
}
