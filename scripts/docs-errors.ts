import { PROTOCOL_FAULTS } from '../ingest/protocol/protocol-error.ts';
import { FAULT_TABLE } from '../ingest/runtime/fault-table.ts';
import { code, generatedNotice, markdownTable } from './markdown.ts';

const ACTIONS = {
  close: 'the connection is closed',
  refuse: 'the connection is refused',
  skip: 'the message is skipped',
} as const;

/** docs/errors.md. */
export function errorsDocument(): string {
  return `${generatedNotice('ingest/protocol/protocol-error.ts and ingest/runtime/fault-table.ts')}
# Errors

Codes are stable: they stand in log lines (\`code\`), in metric labels, in answers of the API and in the message of a command that
fails. The text beside a code may change.

## A peer broke its protocol

It loses its own connection, or its message, and nobody else notices. Counted in \`headwater_connection_faults_total\` or
\`headwater_skipped_messages_total\`.

${markdownTable(
  ['code', 'what happens', 'meaning'],
  Object.entries(PROTOCOL_FAULTS)
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, { action, meaning }]) => [code(name), ACTIONS[action], meaning]),
)}
## Everything else

${markdownTable(
  ['code', 'meaning', 'what to do'],
  Object.entries(FAULT_TABLE)
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, { meaning, remedy }]) => [code(name), meaning, remedy]),
)}`;
}
