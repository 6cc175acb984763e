// Finds in the sources which errors they make: the code, what the message says, and the hint.
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import ts from 'typescript';
import { Texts } from './texts.js';

/** The folders in which errors are made. */
const FOLDERS = ['streams', 'binding', 'targets', 'sources', 'testing', 'inspect'];

/** Classes of errors; those that have always the same code, with it. */
const CLASSES = new Map([
  ['DmaError', undefined],
  ['DmaMapError', undefined],
  ['DmaUnmapError', undefined],
  ['DmaFault', 'ERR_DMA_FAULT'],
  ['RegionOverlapError', 'ERR_REGION_OVERLAP'],
]);

const CODE = /^(?:ABORT_ERR|ERR_[A-Z_]+|E[A-Z0-9]{2,})$/;

/**
 * All errors that the sources of a project make, in the order of the sources.
 *
 * @param root the folder of the project
 * @returns of each: `code`; `says`, the texts of its message; `hints`; `when`, from the comment of the function; `file`, relative to `root`
 */
export function findingsOf(root) {
  const files = FOLDERS.filter((folder) => existsSync(join(root, folder))).flatMap((folder) =>
    ts.sys.readDirectory(join(root, folder), ['.ts'], ['**/inspect/page/**']),
  );
  const program = ts.createProgram(files.sort(), {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    types: [],
    noLib: true,
  });
  const texts = new Texts(program.getTypeChecker());
  const relays = new Map();
  const sources = program.getSourceFiles().filter(({ fileName }) => files.includes(fileName));
  const findings = sources.flatMap((source) => new Finder(texts, relative(root, source.fileName), relays).find(source));
  return [...findings, ...sources.flatMap((source) => relayed(source, texts, relays))];
}

/** What the callers of functions say that make an error of a message that they are given. */
function relayed(source, texts, relays) {
  const findings = [];
  const visit = (node) => {
    const relay = ts.isCallExpression(node) ? relays.get(texts.declarationOf(node.expression)) : undefined;
    const says = relay === undefined ? [] : texts.of(node.arguments[relay.place]);
    if (says.length > 0) {
      findings.push(...relay.codes.map((code) => ({ ...relay.finding, code, says })));
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return findings;
}

class Finder {
  #texts;
  #file;
  #relays;
  #findings = [];

  /** @param relays gets the functions that make an error of a message that they are given */
  constructor(texts, file, relays) {
    this.#texts = texts;
    this.#file = file;
    this.#relays = relays;
  }

  find(source) {
    this.#visit(source, { codes: [], when: '' });
    return this.#findings;
  }

  /** `context`: the codes for which this part of the source is reached, and what the function is for. */
  #visit(node, context) {
    if (ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node)) {
      this.#visitChildren(node, { codes: [], when: whenOf(node) });
    } else if (ts.isSwitchStatement(node)) {
      this.#visitSwitch(node, context);
    } else if (ts.isIfStatement(node)) {
      this.#visit(node.expression, context);
      this.#visit(node.thenStatement, this.#narrowed(node.expression, context));
      if (node.elseStatement !== undefined) {
        this.#visit(node.elseStatement, context);
      }
    } else if (ts.isConditionalExpression(node) && this.#comparedWith(node.condition).length > 0) {
      this.#addText(node.whenTrue, this.#narrowed(node.condition, context));
      this.#visitChildren(node, context);
    } else if (ts.isReturnStatement(node) && node.expression !== undefined) {
      this.#addText(node.expression, context);
      this.#visit(node.expression, context);
    } else if (ts.isNewExpression(node) && CLASSES.has(node.expression.getText())) {
      this.#addNew(node, context);
    } else if (ts.isCallExpression(node) && node.expression.getText() === 'abortError') {
      const [message, , hint] = node.arguments;
      this.#add(['ABORT_ERR'], this.#texts.of(message), hint === undefined ? [] : this.#texts.of(hint), context);
    } else if (ts.isCallExpression(node) && node.expression.getText() === 'systemError') {
      this.#addCall(node, context);
    } else if (ts.isCallExpression(node)) {
      this.#addRefusal(node, context);
    } else if (ts.isObjectLiteralExpression(node) && propertyOf(node, 'code') !== undefined) {
      this.#addObject(node, context);
    } else {
      this.#visitChildren(node, context);
    }
  }

  #visitChildren(node, context) {
    ts.forEachChild(node, (child) => this.#visit(child, context));
  }

  #visitSwitch(node, context) {
    let codes = [];
    for (const clause of node.caseBlock.clauses) {
      codes = [...codes, ...(ts.isCaseClause(clause) ? this.#codesOf(clause.expression) : [])];
      for (const statement of clause.statements) {
        this.#visit(statement, { ...context, codes: codes.length > 0 ? codes : context.codes });
      }
      codes = clause.statements.length > 0 ? [] : codes;
    }
  }

  #narrowed(condition, context) {
    const codes = this.#comparedWith(condition);
    return codes.length > 0 ? { ...context, codes } : context;
  }

  /** The codes with which a condition compares: `errno === ENOMEM || errno === EIO`. */
  #comparedWith(condition) {
    if (!ts.isBinaryExpression(condition)) {
      return [];
    }
    const { left, operatorToken, right } = condition;
    switch (operatorToken.kind) {
      case ts.SyntaxKind.EqualsEqualsEqualsToken:
        return this.#codesOf(right);
      case ts.SyntaxKind.BarBarToken:
        return [...this.#comparedWith(left), ...this.#comparedWith(right)];
      case ts.SyntaxKind.AmpersandAmpersandToken:
        return this.#comparedWith(left);
      default:
        return [];
    }
  }

  /** The codes that an expression is: `'EINVAL'`, `ERRNO.EINVAL`, `EINVAL` (of `const { EINVAL } = ERRNO`), or a choice of these. */
  #codesOf(node) {
    if (ts.isConditionalExpression(node)) {
      return [...this.#codesOf(node.whenTrue), ...this.#codesOf(node.whenFalse)];
    }
    if (ts.isStringLiteralLike(node)) {
      return CODE.test(node.text) ? [node.text] : [];
    }
    const name = ts.isPropertyAccessExpression(node) ? node.name.text : node.getText();
    if (/^(?:ERRNO\.)?E[A-Z0-9]{2,}$/.test(node.getText())) {
      return [name];
    }
    return this.#texts.of(node).length === 0 ? this.#constantsOf(node) : [];
  }

  /** The code that a constant of the sources is. */
  #constantsOf(node) {
    const declaration = ts.isIdentifier(node) ? this.#texts.declarationOf(node) : undefined;
    const initializer =
      declaration !== undefined && ts.isVariableDeclaration(declaration) ? declaration.initializer : undefined;
    return initializer !== undefined && ts.isStringLiteralLike(initializer) && CODE.test(initializer.text)
      ? [initializer.text]
      : [];
  }

  /** A text, or an object with `because` and `hint`, that a function returns for a code. */
  #addText(node, context) {
    if (ts.isObjectLiteralExpression(node)) {
      this.#add(context.codes, [...this.#of(node, 'because'), ...this.#of(node, 'why')], this.#hintsOf(node), context);
    } else if (!ts.isCallExpression(node) || node.expression.getText() !== 'systemError') {
      this.#add(context.codes, [], this.#texts.of(node), context);
    }
  }

  /** `new DmaError(message, { code, hint })` */
  #addNew(node, context) {
    const [message, ...rest] = node.arguments ?? [];
    const details = rest.find((argument) => ts.isObjectLiteralExpression(argument));
    const always = CLASSES.get(node.expression.getText());
    const code = details === undefined ? undefined : propertyOf(details, 'code');
    const codes = always === undefined ? (code === undefined ? [] : this.#codesOf(code)) : [always];
    const hints = details === undefined ? [] : this.#hintsOf(details);
    const declaration = ts.isIdentifier(message) ? this.#texts.declarationOf(message) : undefined;
    if (declaration !== undefined && ts.isParameter(declaration)) {
      const place = declaration.parent.parameters.indexOf(declaration);
      this.#relays.set(declaration.parent, { place, codes, finding: { hints, when: context.when, file: this.#file } });
    } else {
      this.#add(codes, this.#texts.of(message), hints, context);
    }
    details?.properties.forEach((property) => this.#visitChildren(property, context));
  }

  /** `systemError(errno, { what, because, hint })` */
  #addCall(node, context) {
    const [errno, attempt] = node.arguments;
    const codes = [this.#codesOf(errno), context.codes, this.#allCompared(node)].find(({ length }) => length > 0) ?? [];
    if (attempt !== undefined && ts.isObjectLiteralExpression(attempt)) {
      const [what] = this.#of(attempt, 'what');
      const because = this.#of(attempt, 'because');
      const says = [what, because[0]].filter((text) => text !== undefined).join(': ');
      this.#add(codes, says === '' ? [] : [says], this.#hintsOf(attempt), context);
    }
  }

  /** The codes with which anything in an expression is compared. */
  #allCompared(node) {
    const own = ts.isConditionalExpression(node) ? this.#comparedWith(node.condition) : [];
    const below = [];
    ts.forEachChild(node, (child) => {
      below.push(...this.#allCompared(child));
    });
    return [...new Set([...own, ...below])];
  }

  /** A call of a function that makes the error: the code is its first argument, what was wrong and the hint are among the others. */
  #addRefusal(node, context) {
    const [code, ...rest] = node.arguments;
    const codes =
      code !== undefined && (ts.isStringLiteralLike(code) || ts.isConditionalExpression(code))
        ? this.#codesOf(code)
        : [];
    if (codes.length > 0 && rest.length > 0) {
      const objects = rest.filter((argument) => ts.isObjectLiteralExpression(argument));
      const sentences = rest
        .filter((argument) => !objects.includes(argument))
        .map((argument) => this.#texts.of(argument));
      const [says = [], hints = []] = sentences.filter((found) => found.length > 0);
      const why = objects.flatMap((object) => [...this.#of(object, 'because'), ...this.#of(object, 'why')]);
      this.#add(codes, [...says, ...why], [...hints, ...objects.flatMap((object) => this.#hintsOf(object))], context);
    }
    this.#visitChildren(node, context);
  }

  /** An object with a code and a hint from which an error is made elsewhere. */
  #addObject(node, context) {
    const says = ['what', 'because', 'why', 'message'].flatMap((name) => this.#of(node, name));
    this.#add(this.#codesOf(propertyOf(node, 'code')), says, this.#hintsOf(node), context);
    this.#visitChildren(node, context);
  }

  #hintsOf(object) {
    return [...this.#of(object, 'hint'), ...this.#of(object, 'cure')];
  }

  #of(object, name) {
    const value = propertyOf(object, name);
    return value === undefined ? [] : this.#texts.of(value);
  }

  #add(codes, says, hints, { when }) {
    for (const code of says.length + hints.length > 0 ? codes : []) {
      this.#findings.push({ code, says, hints, when, file: this.#file });
    }
  }
}

/** The value of a property of an object literal, also of one written as a name alone; `undefined` if it has none. */
function propertyOf(object, name) {
  const property = object.properties.find((one) => one.name?.getText() === name);
  return property === undefined
    ? undefined
    : ts.isPropertyAssignment(property)
      ? property.initializer
      : ts.isShorthandPropertyAssignment(property)
        ? property.name
        : undefined;
}

/** What a function is for, by the first sentence of its comment. */
function whenOf(node) {
  const comment = ts.getJSDocCommentsAndTags(node).find((one) => ts.isJSDoc(one))?.comment;
  const text = typeof comment === 'string' ? comment : ts.getTextOfJSDocComment(comment);
  return text?.replaceAll(/\s+/g, ' ').split(/\. |\.$|[:;]/)[0] ?? '';
}
