import pc from 'picocolors';

export type Colours = ReturnType<typeof pc.createColors>;

/** What the place that output goes to can show. */
export interface Terminal {
  /** In columns. */
  readonly width: number;
  /** In columns: no line is wider. The width of a terminal; `Infinity` for what is not one, where lines stay whole. */
  readonly limit: number;
  readonly colours: Colours;
  /** Whether block and line characters come out as such. */
  readonly unicode: boolean;
}

/** What a terminal has when nothing is known of it. */
const DEFAULT_WIDTH = 80;
const NARROWEST = 40;

/**
 * Looks at the stream and the environment: no colours where `NO_COLOR` is set or nobody looks; `COLUMNS` counts where the
 * stream has no width of its own; no characters beyond ASCII in the C locale and on the Linux console.
 */
export function terminalOf(
  stream: { readonly isTTY?: boolean; readonly columns?: number },
  env: NodeJS.ProcessEnv,
): Terminal {
  const coloured = isSet(env.FORCE_COLOR) || (stream.isTTY === true && env.TERM !== 'dumb');
  const columns = stream.columns ?? Number(env.COLUMNS);
  const width = Math.max(NARROWEST, Number.isInteger(columns) && columns > 0 ? columns : DEFAULT_WIDTH);
  return {
    width,
    limit: stream.columns === undefined ? Infinity : width,
    colours: pc.createColors(coloured && !isSet(env.NO_COLOR)),
    unicode: showsUnicode(env),
  };
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}

function showsUnicode(env: NodeJS.ProcessEnv): boolean {
  const locale = [env.LC_ALL, env.LC_CTYPE, env.LANG].find(isSet);
  return env.TERM !== 'linux' && locale !== 'C' && locale !== 'POSIX';
}
