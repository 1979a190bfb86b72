import { SERVE_SETTINGS } from '../ingest/config/flags.ts';
import { defaultIn } from '../ingest/config/help.ts';
import { keysOf, type SettingsTable, variableOf } from '../ingest/config/settings-table.ts';
import { OPERATOR_SETTINGS } from '../operator/config/settings.ts';
import { code, generatedNotice, markdownTable } from './markdown.ts';

/** docs/config.md. */
export function configDocument(): string {
  return `${generatedNotice('ingest/config/flags.ts, defaults.ts and schema.ts')}
# Settings

Every setting is a key in a YAML file (\`--config FILE\`, or \`HEADWATER_CONFIG\`), a variable of the environment, and, where it is
set often, a flag. Flags count before the environment, the environment before the file, the file before the default. Anything
unknown is an error that names the nearest valid name; in a YAML file with line and column.

- **Flags** take one dash or two, \`--x value\` or \`--x=value\`. Booleans also as \`--x\`, \`--x false\` and \`--no-x\`. Of a flag given twice
  the last counts.
- **Durations**: \`6s\`, \`500ms\`, \`1m\`, \`1h30m\`, \`0\`. **Sizes**: \`16MiB\`, \`20M\` (20,000,000), \`8388608\`.
- **Addresses**: \`:1935\` (all addresses of the machine), \`localhost:1935\`, \`[::1]:1935\`; empty means off. Port 0 takes any free port.
- **Paths** count from the working directory, in a YAML file too.

\`\`\`yaml
rtmp:
  listen: localhost:1935
record:
  segmentDuration: 30s
relay:
  maxBatch: 100ms
\`\`\`

Flags that are no setting of their own:

${specialFlags(SERVE_SETTINGS)}${groupsOf(SERVE_SETTINGS)}`;
}

/** docs/operator-config.md. */
export function operatorConfigDocument(): string {
  return `${generatedNotice('operator/config/settings.ts')}
# Settings of the operator

The chart writes them; who uses it sets its values instead. They are given as those of \`headwater serve\`: by flags, by variables of the
environment, by a YAML file ([config.md](config.md) says how). \`pool\` is a group with the keys of the chart's values \`pool\`, \`streams\`,
\`store\` and \`srt.dedicatedPorts\`, and is given in the file only; \`--release-streams\` is what the chart runs before it is uninstalled.

${specialFlags(OPERATOR_SETTINGS)}${groupsOf(OPERATOR_SETTINGS)}`;
}

function specialFlags(table: SettingsTable): string {
  return markdownTable(
    ['flag', 'what it does'],
    Object.entries(table.special).map(([flag, { takesValue, help }]) => [
      code(`--${flag}${takesValue ? ' VALUE' : ''}`),
      `${help}.`,
    ]),
  );
}

function groupsOf(table: SettingsTable): string {
  const groups = new Map<string, string[]>();
  for (const key of keysOf(table)) {
    const group = key.slice(0, Math.max(0, key.lastIndexOf('.')));
    groups.set(group, [...(groups.get(group) ?? []), key]);
  }
  const sections = [...groups].map(([group, keys]) => {
    const title = group === '' ? 'Without a group' : code(group);
    return `\n## ${title}\n\n${settingsTable(table, keys)}`;
  });
  return sections.join('');
}

function settingsTable(table: SettingsTable, keys: readonly string[]): string {
  return markdownTable(
    ['key', 'flag', 'environment', 'type', 'default', 'what it does'],
    keys.map((key) => {
      const { flag, help } = table.settings[key]!;
      const { name, choices } = table.typeOf(key);
      return [
        code(key),
        flag === undefined ? '' : code(`--${flag}`),
        name === 'document' ? '' : code(variableOf(table, key)),
        choices === undefined ? name : choices.map(code).join(', '),
        shownDefault(table, key),
        `${help}.`,
      ];
    }),
  );
}

function shownDefault(table: SettingsTable, key: string): string {
  const { text, isLiteral } = defaultIn(table, key);
  return isLiteral ? code(text) : text;
}
