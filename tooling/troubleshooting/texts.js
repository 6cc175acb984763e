// What an expression of the sources says to people: the texts that it can be, in which a name in capitals stands for what varies.
import ts from 'typescript';

/** Functions that call functions that call …: so far, and no further. */
const DEEPEST = 7;

/** Reads the texts of expressions. `checker`: that of the program whose expressions they are. */
export class Texts {
  #checker;

  constructor(checker) {
    this.#checker = checker;
  }

  /** The texts that an expression can be, without those that say nothing. */
  of(expression, depth = 0) {
    return [...new Set(this.#texts(expression, depth))].filter((text) => /[a-z].* ./.test(text));
  }

  /** What a name stands for: the expression, function or parameter with which it is declared; `undefined` if it is not of the sources. */
  declarationOf(node) {
    let symbol = this.#checker.getSymbolAtLocation(node);
    if (symbol !== undefined && (symbol.flags & ts.SymbolFlags.Alias) !== 0) {
      symbol = this.#checker.getAliasedSymbol(symbol);
    }
    return symbol?.valueDeclaration;
  }

  #texts(node, depth) {
    if (depth > DEEPEST || node === undefined) {
      return [];
    }
    if (ts.isStringLiteralLike(node)) {
      return [node.text];
    }
    if (ts.isParenthesizedExpression(node) || ts.isAsExpression(node)) {
      return this.#texts(node.expression, depth);
    }
    if (ts.isConditionalExpression(node)) {
      return [...this.#texts(node.whenTrue, depth), ...this.#texts(node.whenFalse, depth)];
    }
    if (ts.isBinaryExpression(node)) {
      const sides = [...this.#texts(node.left, depth), ...this.#texts(node.right, depth)];
      // The sum of two numbers is no text.
      return node.operatorToken.kind === ts.SyntaxKind.PlusToken && sides.length > 0
        ? [this.#inside(node.left, depth) + this.#inside(node.right, depth)]
        : sides;
    }
    if (ts.isTemplateExpression(node)) {
      const spans = node.templateSpans.map(
        ({ expression, literal }) => this.#inside(expression, depth + 1) + literal.text,
      );
      return [node.head.text + spans.join('')];
    }
    if (ts.isCallExpression(node)) {
      return this.#called(node, depth);
    }
    if (ts.isIdentifier(node) || ts.isPropertyAccessExpression(node)) {
      return this.#declared(this.declarationOf(node), depth + 1);
    }
    return [];
  }

  /** What a call gives: of a list that is joined, one of its texts. */
  #called(node, depth) {
    const { expression, arguments: given } = node;
    const method = ts.isPropertyAccessExpression(expression) ? expression.name.text : '';
    if (/^(?:trimEnd|trim|join)$/.test(method)) {
      return this.#texts(expression.expression, depth);
    }
    return method === 'map'
      ? this.#returned(given[0], depth + 1)
      : this.#returned(this.declarationOf(expression), depth + 1);
  }

  /** What a constant or a property is, also one of `const [message, hint] = …`. */
  #declared(declaration, depth) {
    if (declaration === undefined) {
      return [];
    }
    if (ts.isVariableDeclaration(declaration) || ts.isPropertyAssignment(declaration)) {
      return this.#texts(declaration.initializer, depth);
    }
    if ((ts.isBindingElement(declaration) || ts.isParameter(declaration)) && declaration.initializer !== undefined) {
      return this.#texts(declaration.initializer, depth);
    }
    if (ts.isBindingElement(declaration) && ts.isArrayBindingPattern(declaration.parent)) {
      const place = declaration.parent.elements.indexOf(declaration);
      return arraysOf(declaration.parent.parent.initializer).flatMap(({ elements }) =>
        this.#texts(elements[place], depth),
      );
    }
    return [];
  }

  /** An expression as a part of a sentence: its first text, or a name for it. */
  #inside(node, depth) {
    const found = this.#texts(node, depth);
    if (found.includes('')) {
      return '';
    }
    const choices = [...new Set(found)];
    const isName = ts.isCallExpression(node) || ts.isIdentifier(node) || ts.isPropertyAccessExpression(node);
    if (!isName && choices.length > 0) {
      return choices[0];
    }
    // What is one of many sentences, or only a number or a path, stays a name.
    return choices.length > 0 && choices.length < 3 && choices.every((choice) => /[a-z]{2}/.test(choice))
      ? choices.join(' / ')
      : placeholderOf(this.#madeOf(node));
  }

  /** `mapping.range.toString()` of `const text = mapping.range.toString()`: it says more. Any other expression is what it is. */
  #madeOf(node) {
    const declaration = ts.isIdentifier(node) ? this.declarationOf(node) : undefined;
    const made =
      declaration !== undefined && ts.isVariableDeclaration(declaration) ? declaration.initializer : undefined;
    return made !== undefined && made.getText().endsWith('.toString()') ? made : node;
  }

  /** What a function returns. */
  #returned(declaration, depth) {
    if (declaration === undefined || declaration.getSourceFile().isDeclarationFile) {
      return [];
    }
    const body = declaration.body ?? declaration.initializer?.body;
    if (body === undefined) {
      return [];
    }
    return ts.isBlock(body)
      ? returnsOf(body).flatMap(({ expression }) => this.#texts(expression, depth))
      : this.#texts(body, depth);
  }
}

/** The return statements of a block, without those of functions in it. */
export function returnsOf(node) {
  const found = [];
  const visit = (child) => {
    if (ts.isReturnStatement(child)) {
      found.push(child);
    } else if (!ts.isFunctionLike(child)) {
      ts.forEachChild(child, visit);
    }
  };
  ts.forEachChild(node, visit);
  return found;
}

/** The array literals that an expression can be. */
function arraysOf(node) {
  if (node !== undefined && ts.isConditionalExpression(node)) {
    return [...arraysOf(node.whenTrue), ...arraysOf(node.whenFalse)];
  }
  return node !== undefined && ts.isArrayLiteralExpression(node) ? [node] : [];
}

/** A name in capitals for what varies: `RANGE` of `range.toString()`, `SIZE` of `formatBytes(size)`. */
function placeholderOf(node) {
  if (ts.isPropertyAccessExpression(node)) {
    return capitals(node.name.text);
  }
  if (ts.isCallExpression(node)) {
    const { expression } = node;
    const method = ts.isPropertyAccessExpression(expression) ? expression.name.text : '';
    if (method === 'map' && ts.isArrowFunction(node.arguments[0])) {
      return placeholderOf(node.arguments[0].body);
    }
    return /^(?:toString|join|map|toLocaleString)$/.test(method)
      ? placeholderOf(expression.expression)
      : /^(?:format|list|text|String|Number)/.test(expression.getText()) && node.arguments.length > 0
        ? placeholderOf(node.arguments[0])
        : placeholderOf(expression);
  }
  if (ts.isIdentifier(node)) {
    return capitals(node.text);
  }
  if (ts.isParenthesizedExpression(node) || ts.isNonNullExpression(node) || ts.isAsExpression(node)) {
    return placeholderOf(node.expression);
  }
  return ts.isBinaryExpression(node) ? placeholderOf(node.left) : '…';
}

function capitals(name) {
  return name
    .replace('#', '')
    .replace(/Of$/, '')
    .replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, '_')
    .toUpperCase();
}
