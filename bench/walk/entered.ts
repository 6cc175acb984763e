import { readFileSync } from 'node:fs';
import { Session, type Debugger, type Profiler } from 'node:inspector/promises';
import { SourceMap } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { projectRoot } from '../support/native-program.js';

/** A source file, and its functions that were entered. */
export interface EnteredFile {
  /** From the root of the project. */
  readonly path: string;
  /** In the order of their first entry. A function without a name is called by the line where it begins. */
  readonly functions: readonly string[];
}

/** What V8 calls the initializers of a class's fields. They run with the constructor, even where none is written. */
const FIELDS = '<instance_members_initializer>';
const STATIC_FIELDS = '<static_initializer>';

/** The places that were passed, in order. The conditions of the breakpoints write it, so it is global. */
const PASSED = Symbol.for('dma-streams.walk');

/**
 * Finds the functions of a folder that are entered while `work` goes on, also those of generators that continue. Module bodies and static
 * initializers are left out. The files come in the order of their first entry.
 *
 * Breakpoints at every place note the order: their condition writes the place down and is never true, so nothing stops. V8's precise
 * coverage has the range and name of each function, and functions without a place; it does not know the order, and misses some closures.
 * Neither depends on what V8 inlines. Only modules that are loaded already are seen. Breakpoints and coverage belong to the whole
 * process: run this in a process of its own.
 *
 * @param folder a folder of the sources, from the root of the project, such as `streams`
 */
export async function enteredFiles(folder: string, work: () => Promise<unknown>): Promise<readonly EnteredFile[]> {
  const session = new Session();
  session.connect();
  const passed: number[] = [];
  Object.defineProperty(globalThis, PASSED, { value: passed, configurable: true });
  try {
    const places = await watchPlaces(session, pathToFileURL(`${projectRoot}dist/${folder}/`).href);
    await session.post('Profiler.enable');
    await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
    await session.post('Profiler.takePreciseCoverage');
    passed.length = 0;
    await work();
    // The first passage of each place is enough.
    const order = new Set(passed);
    const { result } = await session.post('Profiler.takePreciseCoverage');
    return inOrder(result, places, order);
  } finally {
    session.disconnect();
    Reflect.deleteProperty(globalThis, PASSED);
  }
}

/** Sets a breakpoint at each place of the scripts below a URL. Returns the places; the breakpoint of each one notes its index. */
async function watchPlaces(session: Session, url: string): Promise<readonly Debugger.BreakLocation[]> {
  const scripts: Debugger.ScriptParsedEventDataType[] = [];
  session.on('Debugger.scriptParsed', ({ params }) => {
    if (params.url.startsWith(url)) {
      scripts.push(params);
    }
  });
  await session.post('Debugger.enable');
  const places: Debugger.BreakLocation[] = [];
  for (const { scriptId, endLine, endColumn } of scripts) {
    const { locations } = await session.post('Debugger.getPossibleBreakpoints', {
      start: { scriptId, lineNumber: 0, columnNumber: 0 },
      end: { scriptId, lineNumber: endLine, columnNumber: endColumn },
    });
    for (const location of locations) {
      const condition = `(globalThis[Symbol.for(${JSON.stringify(PASSED.description)})].push(${places.length}), false)`;
      await session.post('Debugger.setBreakpoint', { location, condition });
      places.push(location);
    }
  }
  return places;
}

/** The files with an entered function. What was called but has no place in its body comes last, in its file and among the files. */
function inOrder(
  coverage: readonly Profiler.ScriptCoverage[],
  places: readonly Debugger.BreakLocation[],
  order: ReadonlySet<number>,
): readonly EnteredFile[] {
  const scripts = new Map<string, Script>();
  for (const covered of coverage) {
    if (places.some(({ scriptId }) => scriptId === covered.scriptId)) {
      scripts.set(covered.scriptId, new Script(covered));
    }
  }
  const entered = new Map<Script, Set<Profiler.FunctionCoverage>>();
  const enter = (script: Script, called: Profiler.FunctionCoverage): void => {
    const functions = entered.get(script) ?? new Set();
    entered.set(script, functions.add(called));
  };
  for (const index of order) {
    const place = places[index];
    const script = scripts.get(place?.scriptId ?? '');
    const called = place === undefined ? undefined : script?.functionAt(place);
    if (script !== undefined && called !== undefined) {
      enter(script, called);
    }
  }
  for (const script of scripts.values()) {
    for (const called of script.functions.filter(({ ranges }) => (ranges[0]?.count ?? 0) > 0)) {
      enter(script, called);
    }
  }
  return [...entered].map(([script, functions]) => ({
    path: script.path,
    functions: [...functions].map((called) => script.nameOf(called)),
  }));
}

/** A script with its functions, the module body and static initializers left out. */
class Script {
  /** Of the source, from the root of the project. */
  readonly path: string;
  readonly functions: readonly Profiler.FunctionCoverage[];
  readonly #map: SourceMap;
  /** The offset at which each line of the script begins. */
  readonly #lines: readonly number[];

  constructor({ url, functions }: Profiler.ScriptCoverage) {
    const file = fileURLToPath(url);
    const text = readFileSync(file, 'utf8');
    this.path = file.slice(`${projectRoot}dist/`.length).replace(/\.js$/, '.ts');
    this.functions = functions.filter(
      (one) => one.functionName !== STATIC_FIELDS && sizeOf(one) < text.length && one.ranges[0] !== undefined,
    );
    this.#map = new SourceMap(
      JSON.parse(readFileSync(`${file}.map`, 'utf8')) as ConstructorParameters<typeof SourceMap>[0],
    );
    this.#lines = [0, ...Array.from(text.matchAll(/\n/g), ({ index }) => index + 1)];
  }

  /** The innermost function around a place. */
  functionAt({ lineNumber, columnNumber = 0 }: Debugger.Location): Profiler.FunctionCoverage | undefined {
    const offset = (this.#lines[lineNumber] ?? NaN) + columnNumber;
    return this.functions
      .filter(({ ranges: [whole] }) => whole !== undefined && whole.startOffset <= offset && offset < whole.endOffset)
      .toSorted((a, b) => sizeOf(a) - sizeOf(b))[0];
  }

  nameOf({ functionName, ranges: [whole] }: Profiler.FunctionCoverage): string {
    if (functionName !== '') {
      return functionName === FIELDS ? 'fields' : functionName;
    }
    const offset = whole?.startOffset ?? 0;
    const line = this.#lines.findLastIndex((start) => start <= offset);
    const entry = this.#map.findEntry(line, offset - (this.#lines[line] ?? 0));
    return 'originalLine' in entry ? `line ${entry.originalLine + 1}` : 'unnamed';
  }
}

function sizeOf({ ranges: [whole] }: Profiler.FunctionCoverage): number {
  return whole === undefined ? 0 : whole.endOffset - whole.startOffset;
}
