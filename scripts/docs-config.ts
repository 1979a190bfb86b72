import { environmentName, SETTING_KEYS, SETTINGS, type SettingKey, SPECIAL_FLAGS } from '../ingest/config/flags.ts';
import { defaultText } from '../ingest/config/help.ts';
import { settingType } from '../ingest/config/schema.ts';
import { code, generatedNotice, markdownTable } from './markdown.ts';

/** docs/config.md. */
export function configDocument(): string {
  const groups = new Map<string, SettingKey[]>();
  for (const key of SETTING_KEYS) {
    const group = key.slice(0, key.lastIndexOf('.'));
    groups.set(group, [...(groups.get(group) ?? []), key]);
  }
  const sections = [...groups].map(([group, keys]) => `\n## \`${group}\`\n\n${settingsTable(keys)}`);
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

${markdownTable(
  ['flag', 'what it does'],
  Object.entries(SPECIAL_FLAGS).map(([flag, { takesValue, help }]) => [
    code(`--${flag}${takesValue ? ' VALUE' : ''}`),
    `${help}.`,
  ]),
)}${sections.join('')}`;
}

function settingsTable(keys: readonly SettingKey[]): string {
  return markdownTable(
    ['key', 'flag', 'environment', 'type', 'default', 'what it does'],
    keys.map((key) => {
      const { flag, help } = SETTINGS[key];
      const { name, choices } = settingType(key);
      return [
        code(key),
        flag === undefined ? '' : code(`--${flag}`),
        code(environmentName(key)),
        choices === undefined ? name : choices.map(code).join(', '),
        shownDefault(key),
        `${help}.`,
      ];
    }),
  );
}

function shownDefault(key: SettingKey): string {
  const { text, isLiteral } = defaultText(key);
  return isLiteral ? code(text) : text;
}
