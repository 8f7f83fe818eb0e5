/**
 * TypeScript that reads and writes protobuf messages (proto3), from their descriptors. For each message an interface and `create…`, and
 * for those that are sent `encode…` and `decode…`; no reflection, so that only what is used is loaded and nothing happens at import.
 * Left out on purpose: services, oneofs, explicit presence, packed lists of numbers, and types that no message here has: the
 * generator stops at them.
 */

export interface FileDescriptorSet {
  readonly file: readonly FileDescriptor[];
}

interface FileDescriptor {
  readonly name: string;
  readonly package: string;
  readonly messageType?: readonly MessageDescriptor[];
  readonly enumType?: readonly EnumDescriptor[];
  readonly sourceCodeInfo?: { readonly location: readonly Location[] };
}

interface Location {
  readonly path?: readonly number[];
  readonly leadingComments?: string;
}

interface MessageDescriptor {
  readonly name: string;
  readonly field?: readonly FieldDescriptor[];
  readonly nestedType?: readonly MessageDescriptor[];
  readonly enumType?: readonly EnumDescriptor[];
  readonly oneofDecl?: readonly unknown[];
  readonly options?: { readonly mapEntry?: boolean };
}

interface FieldDescriptor {
  readonly name: string;
  readonly jsonName: string;
  readonly number: number;
  readonly label: string;
  readonly type: string;
  readonly typeName?: string;
}

interface EnumDescriptor {
  readonly name: string;
  readonly value: readonly { readonly name: string; readonly number?: number }[];
}

/** How a type is written down here; `method` is that of reader and writer. */
interface Scalar {
  readonly type: string;
  readonly zero: string;
  readonly method: string;
  readonly wireType: number;
  /** Whether a value is not the default. */
  readonly isSet: (value: string) => string;
}

const isOther = (zero: string) => (value: string) => `${value} !== ${zero}`;
const INT32: Scalar = {
  type: "number",
  zero: "0",
  method: "int32",
  wireType: 0,
  isSet: isOther("0"),
};
const SCALARS: Readonly<Record<string, Scalar>> = {
  // Minus zero is not the default.
  TYPE_DOUBLE: { ...INT32, method: "double", wireType: 1, isSet: (v) => `!Object.is(${v}, 0)` },
  TYPE_INT32: INT32,
  TYPE_ENUM: INT32,
  TYPE_INT64: { type: "bigint", zero: "0n", method: "int64", wireType: 0, isSet: isOther("0n") },
  TYPE_BOOL: { type: "boolean", zero: "false", method: "bool", wireType: 0, isSet: (v) => v },
  TYPE_STRING: {
    type: "string",
    zero: '""',
    method: "string",
    wireType: 2,
    isSet: isOther('""'),
  },
  TYPE_BYTES: {
    type: "Uint8Array",
    zero: "EMPTY",
    method: "bytes",
    wireType: 2,
    isSet: (value) => `${value}.length > 0`,
  },
};
const WIRE_LENGTH = 2;

/** A message with the name that it has here. */
interface Named {
  readonly name: string;
  readonly fullName: string;
  readonly message: MessageDescriptor;
  /** Whether it is sent as a whole, and not only inside others. */
  readonly isWhole: boolean;
  readonly comment: string;
  readonly commentOf: (fieldIndex: number) => string;
}

interface Types {
  /** By full name with its leading dot. */
  readonly names: ReadonlyMap<string, string>;
  readonly entries: ReadonlyMap<string, MessageDescriptor>;
}

export function codecOf(set: FileDescriptorSet): string {
  const messages: Named[] = [];
  const enums: string[] = [];
  const names = new Map<string, string>();
  const entries = new Map<string, MessageDescriptor>();
  for (const file of set.file) {
    const comments = new Map(
      (file.sourceCodeInfo?.location ?? []).map((l) => [l.path?.join() ?? "", l.leadingComments]),
    );
    // The well-known types come with essays.
    const isOurs = !file.name.startsWith("google/");
    const commentAt = (path: readonly number[]) =>
      isOurs ? (comments.get(path.join()) ?? "").trim() : "";
    const visit = (
      message: MessageDescriptor,
      outer: { readonly full: string; readonly name: string },
      path: readonly number[],
    ): void => {
      const fullName = `${outer.full}.${message.name}`;
      const name = outer.name === "" ? message.name : `${outer.name}_${message.name}`;
      if (message.options?.mapEntry === true) {
        entries.set(fullName, message);
        return;
      }
      if (message.oneofDecl !== undefined) throw new Error(`${fullName} has a oneof`);
      names.set(fullName, name);
      messages.push({
        name,
        fullName,
        message,
        isWhole: isOurs && outer.name === "",
        comment: commentAt(path),
        commentOf: (index) => commentAt([...path, 2, index]),
      });
      message.nestedType?.forEach((m, i) => visit(m, { full: fullName, name }, [...path, 3, i]));
      for (const e of message.enumType ?? []) enums.push(enumOf(`${name}_${e.name}`, e));
    };
    const outer = { full: `.${file.package}`, name: "" };
    file.messageType?.forEach((message, i) => visit(message, outer, [4, i]));
    if (file.enumType !== undefined) throw new Error(`${file.name} has an enum of its own`);
  }
  const types = { names, entries };
  return [
    "/** Generated from `tailnet.proto` by `deno task generate`; do not edit. */",
    'import { ProtobufReader } from "./reader.ts";',
    'import { ProtobufWriter } from "./writer.ts";',
    "",
    "const EMPTY = new Uint8Array(0);",
    "",
    ...enums,
    ...messages.map((named) => messageOf(named, types)),
  ].join("\n");
}

function enumOf(name: string, { value }: EnumDescriptor): string {
  const lines = value.map((v) => `  ${v.name}: ${v.number ?? 0},`);
  const union = `export type ${name} = typeof ${name}[keyof typeof ${name}];\n`;
  return `export const ${name} = {\n${lines.join("\n")}\n} as const;\n${union}`;
}

function messageOf({ name, message, isWhole, comment, commentOf }: Named, types: Types): string {
  const fields = (message.field ?? []).map((field) => fieldOf(field, types));
  const empty = fields.length === 0;
  return [
    ...docOf(comment, ""),
    `export interface ${name} {`,
    ...fields.flatMap(({ name, type }, i) => [...docOf(commentOf(i), "  "), `  ${name}: ${type};`]),
    "}",
    "",
    `export function create${name}(init: Partial<${name}> = {}): ${name} {`,
    `  return { ${
      [...fields.map(({ name, zero }) => `${name}: ${zero}`), "...init"].join(", ")
    } };`,
    "}",
    "",
    ...(isWhole ? wholeOf(name) : []),
    `function write${name}(${empty ? "_w" : "w"}: ProtobufWriter, ${
      empty ? "_m" : "m"
    }: ${name}): void {`,
    ...fields.map(({ write }) => `  ${write}`),
    "}",
    "",
    `function read${name}(r: ProtobufReader, ${empty ? "_m" : "m"}: ${name}): void {`,
    ...readLoop(fields.map(({ tag, read }) => ({ tag, read })), "  "),
    "}",
    "",
  ].join("\n");
}

function wholeOf(name: string): string[] {
  return [
    `export function encode${name}(message: ${name}): Uint8Array<ArrayBuffer> {`,
    "  const w = new ProtobufWriter();",
    `  write${name}(w, message);`,
    "  return w.finish();",
    "}",
    "",
    `export function decode${name}(bytes: Uint8Array): ${name} {`,
    `  const message = create${name}();`,
    `  read${name}(new ProtobufReader(bytes), message);`,
    "  return message;",
    "}",
    "",
  ];
}

function readLoop(
  fields: readonly { readonly tag: number; readonly read: readonly string[] }[],
  indent: string,
): string[] {
  if (fields.length === 0) return [`${indent}while (r.next()) r.skip();`];
  return [
    `${indent}while (r.next()) {`,
    `${indent}  switch (r.tag) {`,
    ...fields.flatMap(({ tag, read }) => [
      `${indent}    case ${tag}:`,
      ...read.map((line) => `${indent}      ${line}`),
      `${indent}      break;`,
    ]),
    `${indent}    default:`,
    `${indent}      r.skip();`,
    `${indent}  }`,
    `${indent}}`,
  ];
}

interface Field {
  readonly name: string;
  readonly type: string;
  readonly zero: string;
  readonly tag: number;
  readonly read: readonly string[];
  readonly write: string;
}

function fieldOf(field: FieldDescriptor, types: Types): Field {
  const { jsonName: name, number } = field;
  const isList = field.label === "LABEL_REPEATED";
  const entry = types.entries.get(field.typeName ?? "");
  if (isList && entry !== undefined) return mapFieldOf(field, entry, types);
  const messageName = types.names.get(field.typeName ?? "");
  const common = { name, tag: (number << 3) | wireTypeOf(field) };
  if (messageName !== undefined) {
    const readInto = (target: string) => [
      `const value = ${target};`,
      `r.message(() => read${messageName}(r, value));`,
    ];
    const write = (value: string) =>
      `w.message(${number}, (w) => write${messageName}(w, ${value}));`;
    return isList
      ? {
        ...common,
        type: `${messageName}[]`,
        zero: "[]",
        read: [
          "{",
          ...readInto(`create${messageName}()`).map(indented),
          `  m.${name}.push(value);`,
          "}",
        ],
        write: `for (const v of m.${name}) ${write("v")}`,
      }
      : {
        ...common,
        type: `${messageName} | undefined`,
        zero: "undefined",
        // One that comes twice is one in two pieces.
        read: ["{", ...readInto(`m.${name} ??= create${messageName}()`).map(indented), "}"],
        write: `if (m.${name} !== undefined) { const v = m.${name}; ${write("v")} }`,
      };
  }
  const scalar = scalarOf(field);
  if (!isList) {
    return {
      ...common,
      type: scalar.type,
      zero: scalar.zero,
      read: [`m.${name} = r.${scalar.method}();`],
      write: `if (${scalar.isSet(`m.${name}`)}) w.${scalar.method}(${number}, m.${name});`,
    };
  }
  if (scalar.wireType !== WIRE_LENGTH) throw new Error(`${name} is a list that may be packed`);
  return {
    ...common,
    type: `${scalar.type}[]`,
    zero: "[]",
    read: [`m.${name}.push(r.${scalar.method}());`],
    write: `for (const v of m.${name}) w.${scalar.method}(${number}, v);`,
  };
}

/** Entries write both fields, whatever they hold, as other implementations do. */
function mapFieldOf(field: FieldDescriptor, entry: MessageDescriptor, types: Types): Field {
  const { jsonName: name, number } = field;
  const [key, value] = entry.field ?? [];
  if (key === undefined || value === undefined) throw new Error(`${name} is no map`);
  const keyScalar = scalarOf(key);
  const messageName = types.names.get(value.typeName ?? "");
  const [valueType, zero, readValue, writeValue] = messageName !== undefined
    ? [
      messageName,
      `create${messageName}()`,
      `r.message(() => read${messageName}(r, value));`,
      `w.message(2, (w) => write${messageName}(w, value));`,
    ]
    : [
      scalarOf(value).type,
      scalarOf(value).zero,
      `value = r.${scalarOf(value).method}();`,
      `w.${scalarOf(value).method}(2, value);`,
    ];
  const keyWrite = `w.${keyScalar.method}(1, key);`;
  return {
    name,
    type: `Map<${keyScalar.type}, ${valueType}>`,
    zero: "new Map()",
    tag: (number << 3) | WIRE_LENGTH,
    read: [
      "r.message(() => {",
      `  let key = ${keyScalar.zero};`,
      `  ${messageName === undefined ? "let" : "const"} value = ${zero};`,
      ...readLoop([
        { tag: (1 << 3) | keyScalar.wireType, read: [`key = r.${keyScalar.method}();`] },
        { tag: (2 << 3) | wireTypeOf(value), read: [readValue] },
      ], "  "),
      `  m.${name}.set(key, value);`,
      "});",
    ],
    write:
      `for (const [key, value] of m.${name}) w.message(${number}, (w) => { ${keyWrite} ${writeValue} });`,
  };
}

function scalarOf({ name, type }: FieldDescriptor): Scalar {
  const scalar = SCALARS[type];
  if (scalar === undefined) throw new Error(`${name} has a type that is not generated: ${type}`);
  return scalar;
}

function wireTypeOf(field: FieldDescriptor): number {
  return field.type === "TYPE_MESSAGE" ? WIRE_LENGTH : scalarOf(field).wireType;
}

function indented(line: string): string {
  return `  ${line}`;
}

function docOf(comment: string, indent: string): string[] {
  const text = comment.split("\n").map((line) => line.trim()).join(" ");
  return text === "" ? [] : [`${indent}/** ${text} */`];
}
