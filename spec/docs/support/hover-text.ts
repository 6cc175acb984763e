import { join, relative } from 'node:path';
import ts from 'typescript';
import { projectRoot } from '../../../lab/paths.js';

/** Something public, as an editor shows it: `'RegionManager.attach'`, and what it says of it. */
export interface Hover {
  readonly name: string;
  readonly file: string;
  readonly text: string;
  /** The names of its tags: `'throws'`. */
  readonly tags: readonly string[];
  /** Its type, as an editor shows it. */
  readonly type: string;
}

const ENTRIES = ['streams', 'targets', 'binding', 'sources', 'inspect', 'testing'].map((folder) =>
  join(projectRoot, folder, 'index.ts'),
);

/** Members that every object may have, and that are the same everywhere. */
const USUAL = /^(?:toJSON|__@)/;

/** Everything that a user of the package can write: exports, and the members of classes, interfaces and object types. */
export function publicHovers(): readonly Hover[] {
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(projectRoot, 'tsconfig.json'), (path) => ts.sys.readFile(path)).config,
    ts.sys,
    projectRoot,
  );
  const program = ts.createProgram(ENTRIES, options);
  const checker = program.getTypeChecker();
  const hovers = new Map<ts.Symbol, Hover>();
  const add = (symbol: ts.Symbol, name: string): void => {
    const declaration = symbol.declarations?.[0];
    if (declaration === undefined || hovers.has(symbol)) {
      return;
    }
    const tags = symbol.getJsDocTags(checker);
    hovers.set(symbol, {
      name,
      file: relative(projectRoot, declaration.getSourceFile().fileName),
      text: ts.displayPartsToString(symbol.getDocumentationComment(checker)),
      tags: tags.map((tag) => tag.name),
      type: checker.typeToString(checker.getTypeOfSymbolAtLocation(symbol, declaration)),
    });
  };
  for (const path of ENTRIES) {
    const source = program.getSourceFile(path);
    const module = source && checker.getSymbolAtLocation(source);
    for (const exported of module === undefined ? [] : checker.getExportsOfModule(module)) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      add(symbol, symbol.name);
      for (const [member, name] of membersOf(symbol, checker)) {
        add(member, name);
      }
    }
  }
  return [...hovers.values()];
}

/** The public members of a class, an interface, or the object types of an alias. */
function* membersOf(symbol: ts.Symbol, checker: ts.TypeChecker): Iterable<readonly [ts.Symbol, string]> {
  const declared = [...(symbol.members?.values() ?? []), ...(symbol.exports?.values() ?? [])];
  const alias = symbol.declarations?.find(ts.isTypeAliasDeclaration);
  const parts = alias === undefined ? [] : objectTypesIn(alias.type);
  const ofAlias = parts.flatMap((part) => checker.getTypeAtLocation(part).getProperties());
  for (const member of [...declared, ...ofAlias]) {
    if (isShown(member)) {
      yield [member, `${symbol.name}.${member.name}`];
    }
  }
}

/** The object types that are written in a type: alternatives, and parts of an intersection. */
function objectTypesIn(type: ts.TypeNode): readonly ts.TypeLiteralNode[] {
  if (ts.isTypeLiteralNode(type)) {
    return [type];
  }
  return ts.isUnionTypeNode(type) || ts.isIntersectionTypeNode(type) ? type.types.flatMap(objectTypesIn) : [];
}

function isShown(member: ts.Symbol): boolean {
  const [declaration] = member.declarations ?? [];
  if (declaration === undefined || USUAL.test(member.name) || member.flags & ts.SymbolFlags.TypeParameter) {
    return false;
  }
  if (ts.isConstructorDeclaration(declaration) && declaration.parameters.length === 0) {
    return false;
  }
  const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected;
  const isInternal = ts.getJSDocTags(declaration).some(({ tagName }) => tagName.text === 'internal');
  return !isInternal && !isPrivateName(declaration) && (ts.getCombinedModifierFlags(declaration) & hidden) === 0;
}

function isPrivateName(declaration: ts.Declaration): boolean {
  const name = ts.getNameOfDeclaration(declaration);
  return name !== undefined && ts.isPrivateIdentifier(name);
}
