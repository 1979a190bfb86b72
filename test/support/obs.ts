import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { tool } from '../setup/tools.ts';
import { output, start, type TestProcess } from './process.ts';
import { TempDir } from './temp-dir.ts';
import { waitFor } from './wait-for.ts';

/** OBS Studio on a display of its own, streaming. */
export interface Obs extends AsyncDisposable {
  readonly process: TestProcess;
  /** Presses the key that stands for "Stop Streaming". */
  stopStreaming(): Promise<void>;
}

const VERSION_29 = 486539266;
const PROFILE = 'hw';
const STOP_KEY = 'F9';

/** Starts OBS as a person has it who typed server and key into its settings: x264, AAC, a picture of one colour. It connects after some seconds. */
export async function startObs(server: string, key: string): Promise<Obs> {
  const stack = new AsyncDisposableStack();
  try {
    const home = stack.use(new TempDir('obs'));
    configure(home, server, key);
    const bus = stack.use(start(tool('dbus-daemon'), ['--session', '--nofork', '--print-address']));
    const display = stack.use(
      start(tool('Xvfb'), ['-displayfd', '1', '-screen', '0', '1280x720x24', '-nolisten', 'tcp']),
    );
    const address = await waitFor('the message bus', () => /\S+/.exec(bus.stdout)?.[0]);
    const number = await waitFor('the X server', () => /\d+/.exec(display.stdout)?.[0]);
    const quiet = ['--disable-updater', '--disable-shutdown-check'];
    const args = ['--startstreaming', '--multi', '--profile', PROFILE, '--collection', PROFILE, ...quiet];
    const obs = stack.use(
      start(tool('obs'), args, {
        cwd: home.path,
        env: {
          HOME: home.path,
          XDG_CONFIG_HOME: home.join('config'),
          XDG_RUNTIME_DIR: home.join('run'),
          DBUS_SESSION_BUS_ADDRESS: address,
          DISPLAY: `:${number}`,
          LIBGL_ALWAYS_SOFTWARE: '1',
        },
      }),
    );
    const all = stack.move();
    const press = ['keydown', STOP_KEY, 'sleep', '0.3', 'keyup', STOP_KEY];
    return {
      process: obs,
      stopStreaming: async () => void (await output(tool('xdotool'), press, { env: { DISPLAY: `:${number}` } })),
      [Symbol.asyncDispose]: () => all.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

function configure(home: TempDir, server: string, key: string): void {
  const config = home.join('config', 'obs-studio');
  const profile = `${config}/basic/profiles/${PROFILE}`;
  for (const dir of [profile, `${config}/basic/scenes`, home.join('run')]) mkdirSync(dir, { recursive: true });
  chmodSync(home.join('run'), 0o700);
  const general = ['[General]', 'FirstRun=true', `LastVersion=${VERSION_29}`];
  const names = ['Profile', 'ProfileDir', 'SceneCollection', 'SceneCollectionFile'].map((name) => `${name}=${PROFILE}`);
  writeFileSync(`${config}/global.ini`, [...general, '[Basic]', ...names, ''].join('\n'));
  const video = ['BaseCX=640', 'BaseCY=360', 'OutputCX=640', 'OutputCY=360', 'FPSType=0', 'FPSCommon=25 PAL'];
  const simple = ['VBitrate=1000', 'StreamEncoder=x264', 'Preset=ultrafast'];
  const hotkey = `OBSBasic.StopStreaming={"bindings":[{"key":"OBS_KEY_${STOP_KEY}"}]}`;
  const basic = ['[Video]', ...video, '[Output]', 'Mode=Simple', '[SimpleOutput]', ...simple, '[Hotkeys]', hotkey, ''];
  writeFileSync(`${profile}/basic.ini`, basic.join('\n'));
  writeFileSync(
    `${profile}/service.json`,
    JSON.stringify({ settings: { server, key, use_auth: false }, type: 'rtmp_custom' }),
  );
  writeFileSync(`${config}/basic/scenes/${PROFILE}.json`, JSON.stringify(scene()));
}

/** A scene with one source: a colour. */
function scene(): object {
  const item = { name: 'colour', id: 1, visible: true, pos: { x: 0, y: 0 }, scale: { x: 1, y: 1 } };
  return {
    name: PROFILE,
    current_scene: 'scene',
    current_program_scene: 'scene',
    scene_order: [{ name: 'scene' }],
    sources: [
      { id: 'scene', name: 'scene', settings: { items: [item], id_counter: 1 } },
      { id: 'color_source_v3', name: 'colour', settings: { color: 4_290_772_992, width: 640, height: 360 } },
    ],
  };
}
