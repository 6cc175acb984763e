import pc from 'picocolors';

export type Colours = ReturnType<typeof pc.createColors>;

/** The capabilities of the output. */
export interface Terminal {
  /** In columns. */
  readonly width: number;
  /** In columns: the maximum line width. The width of a terminal; `Infinity` if the output is not one. */
  readonly limit: number;
  readonly colours: Colours;
  /** Whether block and line-drawing characters can be shown. */
  readonly unicode: boolean;
}

/** The width if it is unknown. */
const DEFAULT_WIDTH = 80;
const NARROWEST = 40;

/**
 * Derives the capabilities from the stream and the environment. No colours if `NO_COLOR` is set or the stream is not a terminal.
 * `COLUMNS` applies if the stream has no width. Only ASCII in the C locale and on the Linux console.
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
